"""Ingest: a topic's records become documents, once in effect, whatever dies meanwhile.

Records are written first and offsets advance afterwards, so a crash at any point repeats work
that changes nothing. The same code reads to the end that a topic has now, or follows it for good.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import Any

from confluent_kafka import Consumer
from pymongo.collection import Collection
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    wait_random_exponential,
)

from nocturne.errors import ServiceUnavailable
from nocturne.refusals import require_few
from nocturne.store import failures
from nocturne.store.records import Rule, Written, write_records
from nocturne.stream.checking import Checked, check_batch
from nocturne.stream.connection import KafkaConfig, explaining, open_admin, open_consumer
from nocturne.stream.dead_letters import DeadLetters
from nocturne.stream.interpreter import TUNING
from nocturne.stream.messages import Record
from nocturne.stream.offsets import Extent, GroupOffsets, Progress, measure_topic
from nocturne.stream.pipeline import Pipeline
from nocturne.stream.reading import Batch, read_group, read_ranges
from nocturne.stream.topics import Topic

log = logging.getLogger(__name__)
Document = dict[str, Any]
Ranges = Mapping[int, tuple[int, int]]
# Without progress for so long, whoever started the ingest shall know; Airflow tries again.
PATIENCE_SECONDS = 300
LONGEST_PAUSE_SECONDS = 15
# So many messages tell a share; one of two would be half of them.
FEWEST_TO_JUDGE = 1000
# While batch follows batch, offsets are noted no more often: each note waits for MongoDB's journal,
# about as long as a batch takes. What a crash loses of them is read again, which changes nothing.
NOTE_SECONDS = 0.5
# Up to this share of known ids in a batch, the next is inserted without looking: a collision costs
# several times what the look would.
FEW_KNOWN = 0.05


@dataclass
class IngestReport:
    """What an ingest did; `offsets` are the next ones by partition."""

    read: int = 0
    changed: int = 0
    dead_letters: int = 0
    offsets: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ingest:
    """How one topic becomes the documents of one collection.

    `group` names who reads: its offsets are its own. Every method raises BadInput if a login is
    refused or retention has removed what was not read, and TooManyRefusals if too many messages
    broke the contract: they are dead letters then, and the good ones are stored. A server that is
    away is waited for, by a follower for good, by the others for PATIENCE_SECONDS: then they raise
    ServiceUnavailable.
    """

    config: KafkaConfig
    topic: Topic
    contract: type[Record]
    collection: Collection[Document]
    rule: Rule
    group: str
    run_id: str
    max_refused_share: float

    def run(self) -> IngestReport:
        """Read what the group has not read, up to the end that the topic has now."""
        report = IngestReport()
        ends: dict[int, int] = {}

        def read() -> None:
            extent = self.measure()
            # The first end stays, or a busy topic would have none.
            ends.update({} if ends else extent.end)
            start = self.progress.recall(extent)
            report.offsets = {**start, **report.offsets}
            ranges = {part: (start[part], end) for part, end in ends.items()}
            with self.consumer() as consumer:
                group = GroupOffsets(consumer, self.topic.name)
                with self.pipeline(extent, report) as pipeline:
                    for batch in read_ranges(consumer, self.topic.name, ranges):
                        pipeline.put(batch)
                        group.tell(report.offsets)
                group.tell_last(report.offsets)

        self.keep_trying(read, report)
        self.require_few_refused(report)
        return report

    def replay(self, ranges: Ranges) -> IngestReport:
        """Read ranges again, whatever was read before; the group's offsets stay as they are.

        What is refused was refused before, and judged.
        """
        report = IngestReport(offsets={part: start for part, (start, _) in ranges.items()})

        def read() -> None:
            left = {part: (report.offsets[part], end) for part, (_, end) in ranges.items()}
            with self.consumer() as consumer, self.pipeline(None, report) as pipeline:
                for batch in read_ranges(consumer, self.topic.name, left):
                    pipeline.put(batch)

        self.keep_trying(read, report)
        return report

    def follow(self, stopped: Event) -> IngestReport:
        """Read what comes until stopped, sharing the partitions with the group's other followers.

        The share of refused messages is judged whenever there are FEWEST_TO_JUDGE to judge.
        """
        report = IngestReport()
        judged = IngestReport()

        def start_at(_: list[int]) -> dict[int, int]:
            return self.progress.recall(self.measure())

        def read() -> None:
            extent = self.measure()
            with self.consumer() as consumer, self.pipeline(extent, report) as pipeline:
                group = GroupOffsets(consumer, self.topic.name)
                for batch in read_group(
                    consumer, self.topic.name, start_at, pipeline.settle, stopped
                ):
                    if batch.offsets:
                        pipeline.put(batch)
                    else:
                        pipeline.settle()
                    group.tell(report.offsets)
                    self.judge(report, judged)
                pipeline.settle()
                group.tell(report.offsets)

        self.keep_trying(read, report, stopped)
        return report

    def judge(self, report: IngestReport, judged: IngestReport) -> None:
        dead_letters = report.dead_letters - judged.dead_letters
        since = IngestReport(report.read - judged.read, 0, dead_letters)
        if since.read >= FEWEST_TO_JUDGE:
            self.require_few_refused(since)
            judged.read, judged.dead_letters = report.read, report.dead_letters

    def require_few_refused(self, report: IngestReport) -> None:
        require_few(
            report.dead_letters,
            report.read,
            self.max_refused_share,
            f"{self.topic.name} messages",
            f"`./nocturne dead-letters {self.topic.name}`",
        )

    @property
    def progress(self) -> Progress:
        return Progress(self.collection.database, self.group, self.topic.name)

    def measure(self) -> Extent:
        return measure_topic(open_admin(self.config), self.topic.name)

    def consumer(self) -> closing[Consumer]:
        return closing(open_consumer(self.config, self.group))

    @contextmanager
    def pipeline(
        self, extent: Extent | None, report: IngestReport
    ) -> Iterator[Pipeline[Batch, Checked, Written]]:
        """Check a batch while those before are stored; without an extent offsets stay."""
        with DeadLetters(self.config, self.topic, self.run_id) as dead_letters, TUNING.tuned():
            steps = Steps(self, extent, report, dead_letters)
            with Pipeline(steps.check, steps.store, steps.finish) as pipeline:
                yield pipeline

    def keep_trying(
        self, read: Callable[[], None], report: IngestReport, stopped: Event | None = None
    ) -> None:
        """Read again after every failure that may pass, until there was no progress for long.

        What can be stopped goes on until it is.
        """
        moved = (report.offsets.copy(), monotonic())
        patience = PATIENCE_SECONDS if stopped is None else math.inf
        stopped = stopped or Event()

        def has_waited_enough(_: RetryCallState) -> bool:
            nonlocal moved
            if report.offsets != moved[0]:
                moved = (report.offsets.copy(), monotonic())
            return stopped.is_set() or monotonic() - moved[1] > patience

        def say(state: RetryCallState) -> None:
            failure = state.outcome and state.outcome.exception()
            log.warning("%s Trying again in %.1f s.", failure, state.upcoming_sleep)

        again = Retrying(
            retry=retry_if_exception_type(ServiceUnavailable),
            wait=wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
            stop=has_waited_enough,
            sleep=sleep_using_event(stopped),
            before_sleep=say,
            reraise=True,
        )
        try:
            again(self.explaining, read)
        except ServiceUnavailable as error:
            if not stopped.is_set():
                raise
            log.info("Stopped while waiting: %s", error)

    def explaining(self, read: Callable[[], None]) -> None:
        """Failures of the servers' clients as ours, naming host, topic and collection."""
        doing = f"reading {self.topic.name}"
        with explaining(self.config, doing), failures.explaining(self.collection):
            read()


@dataclass
class Steps:
    """What becomes of a batch. Two that are stored at the same time may hold records of one id:
    which of them stays does not depend on the order.
    """

    ingest: Ingest
    extent: Extent | None
    report: IngestReport
    dead_letters: DeadLetters
    new: bool = False
    """A collection that is being filled, or one that is renewed, goes on like that."""
    noted: float = field(default_factory=monotonic)

    def check(self, batch: Batch) -> Checked:
        return check_batch(self.ingest.topic, self.ingest.contract, batch)

    def store(self, checked: Checked) -> Written:
        ingest = self.ingest
        return write_records(ingest.collection, checked.documents, ingest.rule, self.new)

    def finish(self, checked: Checked, written: Written, last: bool) -> None:
        """Bury what was refused, and then let the offsets advance."""
        refused = [checked.blame(document, why) for document, why in written.refused]
        self.dead_letters.bury([*checked.poison, *refused])
        if checked.documents:
            self.new = written.known <= FEW_KNOWN * len(checked.documents)
        offsets = self.report.offsets | checked.offsets
        if self.extent is not None and (last or monotonic() - self.noted > NOTE_SECONDS):
            self.ingest.progress.remember(self.extent, offsets)
            self.noted = monotonic()
        self.report.read += checked.read
        self.report.changed += written.changed
        self.report.dead_letters += len(checked.poison) + len(refused)
        self.report.offsets = offsets
