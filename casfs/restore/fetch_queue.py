"""What waits to be fetched, what is under way, and what became of the rest.

Lock order: the one lock is innermost.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from casfs.at_risk import Due
from casfs.client import FetchableOutput
from casfs.restore.fetch_order import Fetchable, FetchOrder, Lanes
from casfs.restore.fetch_plan import in_order

_TICK = 0.2
"""Seconds after which whoever waits looks again."""
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an output.

    Attributes:
        item: the output.
        state: "fetched" or "failed".
        reason: why it failed, None if it did not.
        mismatch: its bytes are wrong.
        verified: as the attribute of an output has it, once it is there.
    """

    item: FetchableOutput
    state: str
    reason: str | None = None
    mismatch: bool = False
    verified: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """An output that is being fetched, and its place in the order."""

    item: FetchableOutput
    place: Fetchable


class FetchQueue:
    """The outputs of one run; used by all of its threads.

    Args:
        items: what is to be fetched.
        order: one of `ORDERS`.
        workers: threads that fetch.
        large: how many of them may be at large outputs.
    """

    def __init__(self, items: list[FetchableOutput], order: str, workers: int, large: int) -> None:
        self._order = FetchOrder(Lanes(max(2, workers), min(large, max(1, workers - 1))))
        self._waiting: dict[str, FetchableOutput] = {}
        for number, item in enumerate(in_order(items, order)):
            self._waiting[str(number)] = item
            self._order.add(_placed(number, item, order))
        self._patience = workers
        self._changed = threading.Condition(threading.Lock())
        self._stopped = False
        self._working = workers
        self._ended: list[Ended] = []
        self._came: dict[FetchableOutput, int] = {}
        """Bytes that came of each output under way."""
        self._size = 0
        self._counts: Counter[str] = Counter()
        self._lost = 0
        """Outputs in a row that failed because the service did not answer."""
        self._unkept = 0
        """Outputs in a row that the disk did not take."""
        self._given_up: str | None = None

    def take(self) -> Taken | None:
        """Return what to fetch now, as soon as something may begin; None if nothing is left."""
        with self._changed:
            while self._waiting and not (self._stopped or self._given_up):
                place = self._order.take()
                if place is not None:
                    item = self._waiting.pop(place.key)
                    self._came[item] = 0
                    return Taken(item, place)
                self._changed.wait(_TICK)
        return None

    def note(self, item: FetchableOutput, size: int) -> None:
        """Count bytes that came of an output; no more than it lacked."""
        with self._changed:
            more = max(0, min(size, item.missing - self._came[item]))
            self._came[item] += more
            self._size += more
            self._lost = 0

    def end(self, taken: Taken, ended: Ended | None) -> None:
        """Note what became of an output; None if it was stopped."""
        with self._changed:
            self._order.done(taken.place)
            came = self._came.pop(taken.item)
            if ended is not None:
                if ended.state == "fetched":
                    self._size += ended.item.missing - came
                    self._unkept = 0
                self._note_end(ended)
            self._changed.notify_all()

    def lose(self, reason: str, for_good: bool) -> None:
        """Note trouble with the service; after a while of nothing else, the run gives up.

        Args:
            reason: what the trouble is.
            for_good: the next output would meet the same.
        """
        with self._changed:
            self._lost += 1
            if for_good or self._lost > self._patience:
                self._given_up = reason

    def miss(self, reason: str) -> None:
        """Note that the disk did not take an output; after some in a row, the run gives up.

        What is asked for in vain is paid for.
        """
        with self._changed:
            self._unkept += 1
            if self._unkept > self._patience:
                self._given_up = reason

    def leave(self) -> None:
        """Note that a thread has ended; with the last one, what nobody fetches any more fails."""
        with self._changed:
            self._working -= 1
            if not self._working and self._given_up is not None and not self._stopped:
                for item in self._waiting.values():
                    self._note_end(Ended(item, "failed", f"not tried: {self._given_up}"))
                self._waiting.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nothing more begin, and what is under way end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def stopped(self) -> bool:
        """Return whether `stop` was called."""
        return self._stopped

    def wait(self) -> bool:
        """Wait a moment, or until an output has ended; return whether a thread still works."""
        with self._changed:
            if self._working and not self._ended:
                self._changed.wait(_TICK)
            return bool(self._working)

    def ended(self) -> list[Ended]:
        """Return what has ended since the last call."""
        with self._changed:
            found, self._ended = self._ended, []
        return found

    def counts(self) -> tuple[int, int, int]:
        """Return how many outputs were fetched, how many failed, and the bytes that came."""
        with self._changed:
            return self._counts["fetched"], self._counts["failed"], self._size

    def left(self) -> list[tuple[FetchableOutput, Due]]:
        """Return what has not ended, and the bytes that are missing of each."""
        with self._changed:
            return [
                (one, Due(one.expires, one.missing - self._came.get(one, 0)))
                for one in (*self._waiting.values(), *self._came)
            ]

    def _note_end(self, ended: Ended) -> None:
        self._counts[ended.state] += 1
        self._ended.append(ended)


def _placed(number: int, item: FetchableOutput, order: str) -> Fetchable:
    """Return an item as `FetchOrder` has it; another order stands in for that of expiry."""
    expires = item.expires
    if order != "expiry":
        expires = _FIRST + timedelta(microseconds=number)
    return Fetchable.of(str(number), item.missing, expires)
