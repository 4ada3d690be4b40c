"""Python's garbage collector and thread switches, as an ingest of many records needs them."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

# Records hold no cycles, so all that the collector finds in them is work: by default it walks
# through them every 700 objects, which took a quarter of an ingest's time. This bounds what cycles
# of others' can pile up, to some tens of megabytes.
OBJECTS_BETWEEN_COLLECTIONS = 100_000
# One thread checks, another talks to MongoDB, which comes to wait for Python's lock at each part of
# a message that is sent: with the default of 5 ms, the server idles for most of a batch.
SWITCH_SECONDS = 0.0005


class Tuning:
    """What was set before, while at least one ingest runs in this process."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.running = 0
        self.thresholds = gc.get_threshold()
        self.switch_seconds = sys.getswitchinterval()

    @contextmanager
    def tuned(self) -> Iterator[None]:
        """Rarer collections and quicker switches of threads until the last one leaves."""
        with self.lock:
            if not self.running:
                self.thresholds = gc.get_threshold()
                self.switch_seconds = sys.getswitchinterval()
                gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *self.thresholds[1:])
                sys.setswitchinterval(SWITCH_SECONDS)
            self.running += 1
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1
                if not self.running:
                    gc.set_threshold(*self.thresholds)
                    sys.setswitchinterval(self.switch_seconds)


TUNING = Tuning()
