"""In which order outputs are fetched: pure, no I/O.

The output that expires first comes first. Several are fetched at once, in lanes. Large outputs
take some of the lanes only, so that one that takes hours does not hold up a thousand small ones;
and small ones leave a lane to large ones, so that the reverse does not happen either.
"""

import heapq
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

LARGE = 32 << 20
"""Bytes from which an output is large: it keeps all connections busy by itself."""
_MANY = 32
"""Lanes from which on more than two for each connection only take memory."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class Fetchable(NamedTuple):
    """An output that can be fetched.

    Attributes:
        expires: when the service drops it; `datetime.max` in UTC if nothing does, or it is unknown.
        size: bytes that are left to fetch.
        key: identifies it for the caller.
    """

    expires: datetime
    size: int
    key: str

    @classmethod
    def of(cls, key: str, size: int, expires: datetime | None) -> "Fetchable":
        """Return an output whose expiry may be unknown."""
        return cls(expires or _NEVER, size, key)

    @property
    def is_large(self) -> bool:
        """Return whether it keeps all connections busy by itself."""
        return self.size >= LARGE


@dataclass(frozen=True, slots=True)
class Lanes:
    """How many outputs are fetched at once.

    Attributes:
        all: in all; at least two.
        large: of these, how many large ones at most.
    """

    all: int
    large: int

    @classmethod
    def of(cls, connections: int) -> "Lanes":
        """Return the lanes that keep so many connections busy.

        A small output needs more time than its GET: it is opened, synced and renamed. Threads that
        are at that must not keep the next request from being sent.
        """
        return cls(max(2 * connections, min(4 * connections, _MANY)), 2)


class FetchOrder:
    """The outputs that wait, and those that are being fetched. Not safe for threads.

    Args:
        lanes: how many may be fetched at once.
    """

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._small: list[Fetchable] = []
        self._large: list[Fetchable] = []
        self._fetching: dict[str, bool] = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._small) + len(self._large)

    @property
    def fetching(self) -> int:
        """Return how many are being fetched."""
        return len(self._fetching)

    @property
    def wants_small(self) -> bool:
        """Return whether no small output waits."""
        return not self._small

    @property
    def wants_large(self) -> bool:
        """Return whether no large output waits."""
        return not self._large

    def add(self, output: Fetchable) -> None:
        """Let an output wait for its turn."""
        heapq.heappush(self._large if output.is_large else self._small, output)

    def take(self) -> Fetchable | None:
        """Return what is to be fetched next, None if every lane is taken or nothing may begin.

        `done` ends it.
        """
        large = sum(self._fetching.values())
        may_large = bool(self._large) and large < self._lanes.large
        # The last lane is left to a large output while one waits and none is being fetched.
        kept = 1 if self._large and not large else 0
        may_small = bool(self._small) and len(self._fetching) + kept < self._lanes.all
        if len(self._fetching) >= self._lanes.all or not (may_large or may_small):
            return None
        if may_large and (not may_small or self._large[0] < self._small[0]):
            taken = heapq.heappop(self._large)
        else:
            taken = heapq.heappop(self._small)
        self._fetching[taken.key] = taken.is_large
        return taken

    def done(self, output: Fetchable) -> None:
        """Free the lane of an output, whatever came of it."""
        self._fetching.pop(output.key, None)
