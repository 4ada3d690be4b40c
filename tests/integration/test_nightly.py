"""The nightly DAG through the real scheduler: undisturbed, disturbed, backfilled, refused.

The tests of this file run in order on one stack; each says what it expects to find.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest

from nocturne.catalogue.export import COLUMNS
from nocturne.nightly import connect_catalogue
from nocturne.nights import last_complete_night, night_of
from nocturne.sample.catalogue import (
    CORRUPT_TRACK_ID,
    SHORT_TRACK_ID,
    SILENT_TRACK_ID,
    TRACKS_PER_GENRE,
    UNLISTED_TRACK_ID,
    list_good_tracks,
)
from nocturne.sample.library import make_sample, planted_tastes
from nocturne.settings import Settings
from nocturne.stack.airflow_api import AirflowApi, TaskState
from nocturne.stack.airflow_runs import (
    NIGHTLY,
    Run,
    follow_backfill,
    follow_run,
    require_success,
    start_backfill,
    start_night,
)
from nocturne.stack.stack import connect_airflow
from nocturne.stack.supervise import Supervisor
from nocturne.store.versions import list_versions, live_version, roll_back

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

NIGHT = last_complete_night(datetime.now(UTC))
"""The newest: the schedule would run that night, had no run of ours taken its place."""
BACKFILL = tuple(night_of(NIGHT.start.date() - timedelta(days=days)) for days in (3, 2))
RECENT = timedelta(days=Settings.model_fields["recent_days"].default)
FEW_CLUSTERS = {"k_min": 3, "k_max": 6}
"""The whole range is tried by ./nocturne run; four ks say as much here, in half the time."""
ASKING = {"approve": True, "approve_hours": 0.005}
"""A run that asks a person and waits for 18 seconds; the settings ask nobody."""


@pytest.fixture(scope="module")
def api(stack: Settings) -> Iterator[AirflowApi]:
    make_sample(stack.sample_dir, NIGHT.start.date())
    with connect_airflow(stack) as connected:
        connected.wait_for_dag(NIGHTLY)
        claim_tonight(connected)
        yield connected


def claim_tonight(api: AirflowApi) -> None:
    """Take the next night's place in the schedule, should it end while these tests run."""
    start, end = NIGHT.end, NIGHT.end + timedelta(days=1)
    claim = {
        "dag_run_id": "tonight",
        "logical_date": start.isoformat(),
        "data_interval_start": start.isoformat(),
        "data_interval_end": end.isoformat(),
        "run_after": (end + timedelta(days=365)).isoformat(),
    }
    api.call("POST", f"dags/{NIGHTLY}/dagRuns", json=claim)


def run_nightly(api: AirflowApi, watch: Any = lambda tasks: None, **conf: Any) -> Run:
    run_id = start_night(api, NIGHT, {**FEW_CLUSTERS, **conf})
    return follow_run(api, NIGHTLY, run_id, watch)


def read_state(stack: Settings) -> dict[str, Any]:
    """All that a run leaves in MongoDB, but for when it was published and what was refused."""
    with connect_catalogue(stack) as catalogue:
        database = catalogue.database
        return {
            "tracks": [bson.encode(item) for item in database["tracks"].find().sort("_id")],
            "listens": [bson.encode(item) for item in database["listens"].find().sort("_id")],
            "similar": [bson.encode(row) for row in database["similar_tracks"].find().sort("_id")],
            "for_you": [bson.encode(row) for row in database["for_you"].find().sort("_id")],
            "versions": [(item["_id"], item["state"]) for item in list_versions(database)],
            "live": live_version(database),
            "history": database["live"].count_documents({}),
        }


@pytest.fixture(scope="module")
def first_run(api: AirflowApi, stack: Settings) -> Run:
    run = run_nightly(api)
    require_success(api, run)
    return run


def test_a_night_is_published(first_run: Run, stack: Settings) -> None:
    assert {task.state for task in first_run.tasks} == {"success"}
    known = list_good_tracks(NIGHT.start.date(), TRACKS_PER_GENRE)
    with connect_catalogue(stack) as catalogue:
        live = live_version(catalogue.database)
        assert live is not None
        assert live["version"].startswith(f"{NIGHT.data_date}.")
        assert catalogue.database["similar_tracks"].count_documents({}) == len(known)
        found = catalogue.similar("900001", 20)
        assert len(found.similar) == 20
        assert [item.score for item in found.similar] == sorted(
            (item.score for item in found.similar), reverse=True
        )
        model = catalogue.database["models"].find_one({"_id": live["version"]})
    assert model["clustering"]["chosen"]["k"] in range(3, 7)
    assert all(verdict["passed"] for verdict in model["verdicts"])
    assert model["run_id"] == first_run.run_id
    assert sum(model["source_offsets"].values()) > 0
    assert (stack.models_dir / live["version"] / "clusters/pipeline/metadata").is_dir()
    page = (stack.reports_dir / f"{live['version']}.html").read_text("utf-8")
    assert all(verdict["rule"] in page for verdict in model["verdicts"])
    assert f"<title>Model {live['version']}: published</title>" in page


def test_tasks_link_to_their_version(first_run: Run, api: AirflowApi, stack: Settings) -> None:
    with connect_catalogue(stack) as catalogue:
        version = catalogue.live()
        model = catalogue.database["models"].find_one({"_id": version})
    assert Path(model["audio_dir"]).is_dir()
    task = f"dags/{NIGHTLY}/dagRuns/{first_run.run_id}/taskInstances/check_candidate"
    links = api.call("GET", f"{task}/links")["extra_links"]
    assert links["Version"].endswith(f"/models/{version}")
    assert links["Report"].endswith(f"/reports/{version}.html")


def test_every_listener_has_a_list_that_suits(first_run: Run, stack: Settings) -> None:
    """Of tracks that were not heard lately; most of the planted favourite genres."""
    tastes = planted_tastes(stack.sample_dir)
    with connect_catalogue(stack) as catalogue:
        version = catalogue.live()
        rows = list(catalogue.database["for_you"].find({"version": version}))
        model = catalogue.database["models"].find_one({"_id": version})
        heard = catalogue.database["listens"].find({"at": {"$gte": NIGHT.end - RECENT}})
        lately = {(event["user_id"], event["track_id"]) for event in heard}
        fields = ["metadata.top_genre_title", "metadata.genre_titles"]
        genres = {
            track["_id"]: find_genre(track["metadata"])
            for track in catalogue.tracks.find({}, fields)
        }
        unknown = catalogue.for_listener("somebody new", 5)
    assert {row["user_id"] for row in rows} == {"", *tastes.index}
    shown = {(row["user_id"], item["track_id"]) for row in rows for item in row["items"]}
    assert not shown & lately
    assert min(len(row["items"]) for row in rows) == model["shortest_possible"] > 10
    assert all(item["reason"] for row in rows for item in row["items"])
    favourites = [
        genres[item["track_id"]] in tastes.loc[row["user_id"]].nlargest(2).index
        for row in rows if row["user_id"] for item in row["items"][:5]
    ]  # fmt: skip
    assert sum(favourites) / len(favourites) > 0.5, "of eight genres, two are favourites"
    assert (unknown.known, len(unknown.items)) == (False, 5)
    scores = {row["model"]: row["ndcg@10"] for row in model["ranking"]["models"]}
    assert scores["nocturne"] > 2 * scores["popularity"]


def find_genre(metadata: dict[str, Any]) -> str:
    return metadata.get("top_genre_title") or metadata["genre_titles"][0]


def test_what_is_unusable_is_in_quarantine(first_run: Run, stack: Settings) -> None:
    with connect_catalogue(stack) as catalogue:
        refused = catalogue.database["quarantine"].find({"run_id": first_run.run_id})
        rules = {item["key"]: item["rule"] for item in refused}
    assert rules == {
        str(CORRUPT_TRACK_ID): "not_audio",
        str(SILENT_TRACK_ID): "silent",
        str(SHORT_TRACK_ID): "too_short",
        str(UNLISTED_TRACK_ID): "metadata_missing",
    }


def test_the_run_folder_holds_the_merged_catalogue(first_run: Run, stack: Settings) -> None:
    folder = stack.run_dir(first_run.run_id)
    assert {"catalogue.parquet", "final.csv", "refusals.jsonl"} <= {
        file.name for file in folder.iterdir()
    }
    assert "without_audio.jsonl" in {file.name for file in folder.iterdir()}


def test_lineage_is_written(first_run: Run, stack: Settings) -> None:
    events = read_events(stack.lineage_dir / "airflow.jsonl")
    outputs = {
        f"{dataset['namespace']}/{dataset['name']}"
        for event in events
        for dataset in event.get("outputs", [])
    }
    assert any("kafka" in name and "tracks.features" in name for name in outputs), outputs
    assert any("mongo" in name and "tracks" in name for name in outputs), outputs
    spark = read_events(stack.lineage_dir / "spark.jsonl")
    parents = {
        event["run"]["facets"].get("parent", {}).get("job", {}).get("name") for event in spark
    }
    assert f"{NIGHTLY}.train_clusters" in parents


def read_events(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line]


class Outages:
    """Takes MongoDB and Kafka away before the run starts.

    Each server comes back once the task that needs it has failed: MongoDB after its second try,
    Kafka when features cannot be sent.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.mongo_away = self.kafka_away = True
        self.most_tries: dict[str, int] = {}

    def begin(self) -> None:
        for server in ("mongo", "kafka"):
            self.supervisor.call("stopProcess", f"servers:{server}")

    def __call__(self, tasks: list[TaskState]) -> None:
        states = {task.task_id: task for task in tasks}
        for task in tasks:
            self.most_tries[task.task_id] = task.try_number
        landing, sending = (states.get(name) for name in ("land_library", "publish_features"))
        if self.mongo_away and landing and failed_twice(landing):
            self.supervisor.call("startProcess", "servers:mongo")
            self.mongo_away = False
        if self.kafka_away and sending and sending.state == "up_for_retry":
            self.supervisor.call("startProcess", "servers:kafka")
            self.kafka_away = False


def failed_twice(task: TaskState) -> bool:
    return task.try_number >= 2 and task.state == "up_for_retry"


def test_a_run_through_outages_leaves_the_same_bytes(
    first_run: Run, api: AirflowApi, stack: Settings
) -> None:
    before, drivers = read_state(stack), read_events(stack.lineage_dir / "spark.jsonl")
    outages = Outages(Supervisor(stack.stack_dir))
    outages.begin()
    run = run_nightly(api, outages)
    require_success(api, run)
    assert outages.most_tries["land_library"] == 3
    assert outages.most_tries["publish_features"] >= 2
    assert read_state(stack) == before
    again = read_events(stack.lineage_dir / "spark.jsonl")
    assert len(again) == len(drivers) > 0, "there was nothing to do, and yet Spark was started"


def test_a_backfill_done_twice_leaves_identical_tables(
    first_run: Run, api: AirflowApi, stack: Settings
) -> None:
    live = read_state(stack)["live"]
    states = []
    for _ in range(2):
        backfill = start_backfill(api, *BACKFILL)
        for runs in follow_backfill(api, backfill, *BACKFILL):
            last = runs
        assert list(last.values()) == ["success"] * 2
        wait_until_complete(api, backfill)
        states.append(read_state(stack))
    assert states[0] == states[1]
    versions = [name for name, _ in states[0]["versions"]]
    assert [name.split(".")[0] for name in versions] == [
        (NIGHT.start - timedelta(days=days)).date().isoformat() for days in (0, 2, 3)
    ]
    assert states[0]["live"] == live, "an older day never displaces a newer version"
    assert rows_of(states[0], versions[2]) < rows_of(states[0], versions[0]), "the library grew"


def wait_until_complete(api: AirflowApi, backfill: int) -> None:
    deadline = time.monotonic() + 60
    while api.call("GET", f"backfills/{backfill}")["completed_at"] is None:
        assert time.monotonic() < deadline, "the backfill does not end"
        time.sleep(0.5)


def rows_of(state: dict[str, Any], version: str) -> int:
    return sum(bson.decode(row)["version"] == version for row in state["similar"])


def test_a_person_is_asked_and_silence_is_a_no(
    first_run: Run, api: AirflowApi, stack: Settings
) -> None:
    live = read_state(stack)["live"]
    run = run_nightly(api, k_max=5, **ASKING)
    states = {task.task_id: task.state for task in run.tasks}
    assert (run.state, states["approve_candidate"]) == ("success", "success")
    assert states["publish_version"] == "skipped"
    assert read_state(stack)["live"] == live
    with connect_catalogue(stack) as catalogue:
        (rejected,) = catalogue.database["models"].find({"state": "rejected"})
    assert rejected["approval"]["approved"] is False

    # The same candidate, and this time nobody has to be quick: the settings wait for hours.
    run_id = start_night(api, NIGHT, {**FEW_CLUSTERS, "k_max": 5, "approve": True})
    approver = Approver(api, run_id)
    require_success(api, follow_run(api, NIGHTLY, run_id, approver))
    assert approver.done
    assert read_state(stack)["live"]["version"] == rejected["_id"]
    with connect_catalogue(stack) as catalogue:
        approval = catalogue.database["models"].find_one({"_id": rejected["_id"]})["approval"]
        roll_back(catalogue.database.client, catalogue.database.name, live["version"])
    assert (approval["approved"], approval["by"]) == (True, "admin")


class Approver:
    """Approves over the API when the run waits for it, as a person does: not within the second.

    Airflow would take an answer that comes before its scheduler has noted the pause for a task that
    was killed, and ask again.
    """

    POLLS = 5

    def __init__(self, api: AirflowApi, run_id: str) -> None:
        self.api, self.run_id = api, run_id
        self.waited = 0
        self.done = False

    def __call__(self, tasks: list[TaskState]) -> None:
        states = {task.task_id: task.state for task in tasks}
        waits = states.get("approve_candidate") == "awaiting_input"
        self.waited = self.waited + 1 if waits else 0
        if self.waited == self.POLLS:
            details = f"dags/{NIGHTLY}/dagRuns/{self.run_id}/taskInstances/approve_candidate/-1"
            answer = {"chosen_options": ["Approve"], "params_input": {}}
            self.api.call("PATCH", f"{details}/hitlDetails", json=answer)
            self.done = True


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no title column", "track_title"),
        ("corrupt audio only", "refused"),
    ],
)
def test_bad_input_fails_at_once_and_publishes_nothing(
    fault: str, message: str, first_run: Run, api: AirflowApi, stack: Settings,
    tmp_path: Path,
) -> None:  # fmt: skip
    before = read_state(stack)
    run = run_nightly(api, **make_bad_library(fault, tmp_path))
    failed = [task for task in run.tasks if task.state == "failed"]
    assert run.state == "failed"
    assert [task.try_number for task in failed] == [1], "bad data is not retried"
    words = "\n".join(api.task_log(NIGHTLY, run.run_id, failed[0]))
    assert message in words
    assert read_state(stack) == before


def make_bad_library(fault: str, folder: Path) -> dict[str, str]:
    audio, metadata = folder / "audio", folder / "metadata"
    audio.mkdir()
    header = (
        "track_id,artist_name" if fault == "no title column" else "track_id,track_title,artist_name"
    )
    metadata.mkdir()
    rows = "\n".join(f"{number},Somebody,Somewhere" for number in range(1, 4))
    (metadata / "raw_tracks.csv").write_text(f"{header}\n{rows}\n", encoding="utf-8")
    for number in range(1, 4):
        (audio / f"{number}.mp3").write_bytes(b"this is not music" * 100)
    return {"audio_folder": str(audio), "metadata_folder": str(metadata)}


def test_the_export_reads_any_collection(first_run: Run, api: AirflowApi, stack: Settings) -> None:
    with connect_catalogue(stack) as catalogue:
        client = catalogue.database.client
        client["MYDB"]["MTDATA"].drop()
        client["MYDB"]["MTDATA"].insert_many(
            {
                "File_Name": f'{number:06d} "live", take 2.mp3',
                "MFCCs": [1.5, -2.0],
                "Spectral_Centroid": 1000.0 + number,
                "Zero_Crossing_Rate": 0.1,
                "genre_id": "12",
            }
            for number in range(5)
        )
    export = export_collection(api, stack, {"database": "MYDB", "collection": "MTDATA"})
    assert export[0].rstrip().split(",") == COLUMNS
    assert len(export) == 6


def test_the_export_reads_the_tracks(first_run: Run, api: AirflowApi, stack: Settings) -> None:
    export = export_collection(api, stack, {})
    assert len(export) == 1 + len(read_state(stack)["tracks"])


def export_collection(api: AirflowApi, stack: Settings, conf: dict[str, str]) -> list[str]:
    api.wait_for_dag("catalogue_export")
    run_id = f"test__{datetime.now(UTC).isoformat()}"
    now = datetime.now(UTC)
    api.trigger("catalogue_export", run_id, conf, (now, now), claim_night=False)
    require_success(api, follow_run(api, "catalogue_export", run_id, lambda tasks: None))
    return (stack.exports_dir / "output.csv").read_text("utf-8").splitlines()


@pytest.mark.real_data
def test_real_music_is_published(
    first_run: Run, api: AirflowApi, stack: Settings, real_data: Path
) -> None:
    folders = {
        "audio_folder": str(real_data / "fma/audio"),
        "metadata_folder": str(real_data / "fma/metadata"),
        "replace_library": True,
    }
    require_success(api, run_nightly(api, **folders))
    with connect_catalogue(stack) as catalogue:
        meant = catalogue.find_track("angels fear to tred", "Charles Manson")
        found = catalogue.similar(meant.track_id, 8)
        genres = catalogue.tracks.find_one({"_id": found.track_id})["metadata"]["genre_titles"]
    assert (found.title, found.artist) == ("Angels Fear To Tread", "Charles Manson")
    assert found.similar[0].artist == "Charles Manson"
    assert len(found.similar) == 8
    assert genres
