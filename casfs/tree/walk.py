"""Which outputs will be opened next: pure policy, fed with what was opened; no I/O.

A program such as tar or rsync opens the outputs of a vault one after the other. Each alone costs a
round trip to the service, so the next ones are fetched while it is busy with this one.
"""

_NEAR = 8
"""Outputs that may be skipped, or come in another order, without ending a walk."""
_WINDOW = 32
_WALKS = 4


class _Walk:
    """One program's way: the entry it opened last, how many so far, and up to which are fetched."""

    __slots__ = ("ahead", "last", "steps")

    def __init__(self, index: int) -> None:
        self.last = index
        self.steps = 0
        self.ahead = index + 1


class Walks:
    """The ways of a few programs through one folder, whose entries have an order."""

    def __init__(self) -> None:
        self._walks: list[_Walk] = []

    def opened(self, index: int, count: int) -> range:
        """Return which entries to fetch, now that one is opened.

        Args:
            index: place of the entry in the folder's order.
            count: number of entries.
        """
        walk = self._find(index)
        walk.steps += 1
        walk.last = index
        if walk.steps < 2:
            return range(0)
        # The window doubles with each step, so that a walk is believed in quickly.
        start = max(walk.ahead, index + 1)
        stop = min(index + 1 + min(2**walk.steps, _WINDOW), count)
        walk.ahead = max(start, stop)
        return range(start, walk.ahead)

    def _find(self, index: int) -> _Walk:
        near = [walk for walk in self._walks if abs(index - walk.last) <= _NEAR]
        walk = min(near, key=lambda one: abs(index - one.last), default=_Walk(index))
        self._walks = [walk, *(other for other in self._walks if other is not walk)][:_WALKS]
        return walk
