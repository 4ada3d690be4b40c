"""How many requests a client may still make.

The library `limits` does the same, at a quarter of a millisecond a request: as long as the rest of
the answer takes.
"""

from time import monotonic
from typing import NamedTuple

WINDOW_SECONDS = 60
MOST_CLIENTS = 100_000


class Left(NamedTuple):
    """`requests` of this window, negative if there were more than allowed; `seconds` to its end."""

    requests: int
    seconds: int


class RateLimit:
    """Windows of a minute, the same for all clients; for one thread."""

    def __init__(self, requests: int) -> None:
        self.requests = requests
        self.taken: dict[str, int] = {}
        self.ends = 0.0

    def take(self, client: str) -> Left:
        now = monotonic()
        if now >= self.ends:
            self.taken.clear()
            self.ends = now + WINDOW_SECONDS
        # A crowd of addresses must not fill the memory: they count as one client then.
        name = client if client in self.taken or len(self.taken) < MOST_CLIENTS else ""
        taken = self.taken.get(name, 0) + 1
        self.taken[name] = taken
        return Left(self.requests - taken, max(1, round(self.ends - now)))
