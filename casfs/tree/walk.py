"""Which outputs will be opened next: pure policy, fed with what was opened; no I/O.

A program such as tar or rsync opens the outputs of a vault one after the other. Each alone costs a
round trip to the service, so the next ones are fetched while it is busy with this one.
"""

_NEAR = 8
"""Outputs that may be skipped, or come in another order, without ending a walk."""
_WINDOW = 32


class Walk:
    """How far a program has come in a folder whose entries have an order."""

    def __init__(self) -> None:
        self._last = -1 - _NEAR
        self._steps = 0
        self._ahead = 0

    def opened(self, index: int, count: int) -> range:
        """Return which entries to fetch, now that one is opened.

        Args:
            index: place of the entry in the folder's order.
            count: number of entries.
        """
        if abs(index - self._last) > _NEAR:
            self._steps, self._ahead = 0, index + 1
        self._steps += 1
        self._last = index
        if self._steps < 2:
            return range(0)
        # The window doubles with each step, so that a walk is believed in quickly.
        stop = min(index + 1 + min(2**self._steps, _WINDOW), count)
        start = max(self._ahead, index + 1)
        self._ahead = max(stop, start)
        return range(start, self._ahead)
