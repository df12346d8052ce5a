"""Fetches archives that can be read into their files, several at once, soonest expiry first.

Lock order: one lock guards the order in which archives are fetched and what stops it; under it that
of the worklist is taken. Nothing is fetched or written under it.
"""

import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from casfs.errors import (
    CacheError,
    CasfsError,
    DeadlineError,
    DeniedError,
    DestinationDiskError,
    ExpiredError,
    MismatchError,
    NotReadyError,
    OutputMismatchError,
    ThreadError,
    TransientError,
)
from casfs.reasons import reason
from casfs.restore.fetch_order import Fetchable, FetchOrder, Lanes
from casfs.restore.work_items import Stage, WorkItem
from casfs.restore.worklist import Worklist
from casfs.threads import start_thread

log = logging.getLogger(__name__)

_TRIES = 3
"""Times that an archive is fetched while the service fails, before it is left to another run."""
_PAUSE = 5.0
"""Seconds before an archive is fetched again."""
_PASSING = (TransientError, DeadlineError, NotReadyError, ThreadError, CacheError)
_PAGE_SMALL, _PAGE_LARGE = 64, 4
"""Archives that are taken from the worklist at a time."""


class Restores(Protocol):
    """Restores one archive."""

    def prepare(self, items: Sequence[WorkItem]) -> None:
        """Look up together what `restore` needs to know of archives.

        Raises:
            CasfsError: that failed; `restore` looks up what it needs.
        """

    def restore(self, item: WorkItem, note: Callable[[int], None]) -> None:
        """Fetch an archive, and let it be recorded; `note` is called with the bytes of blocks.

        Raises:
            CasfsError: it cannot be restored.
        """

    def expired(self, item: WorkItem, error: ExpiredError) -> bool:
        """Note that the output of an archive has expired before all of it was fetched.

        Returns:
            whether it may be read from another job, or was not asked for twice already.
        """

    def failed(self, item: WorkItem, error: CasfsError) -> None:
        """Note that an archive cannot be restored."""


@dataclass
class FetchCounts:
    """What the lanes have done.

    Attributes:
        bytes: of blocks that are in their files.
        mismatches: archives whose bytes do not match their hash.
        expired: archives whose output expired.
        left: why archives are left to another run.
    """

    bytes: int = 0
    mismatches: int = 0
    expired: int = 0
    left: list[str] = field(default_factory=list)


class Fetcher:
    """The lanes in which archives are fetched.

    Args:
        worklist: has the archives.
        restores: restores one.
        lanes: how many at once.
    """

    def __init__(self, worklist: Worklist, restores: Restores, lanes: Lanes) -> None:
        self._worklist = worklist
        self._restores = restores
        self._lanes = lanes
        lock = threading.Lock()
        self._changed = threading.Condition(lock)
        """Lanes wait for it."""
        self._news = threading.Condition(lock)
        """Whoever started the lanes waits for it; not told of each archive."""
        self._fresh: list[WorkItem] = []
        """Small archives that were taken from the worklist just now."""
        self._order = FetchOrder(lanes)
        self._items: dict[str, WorkItem] = {}
        self._keys = itertools.count()
        self._tries: Counter[int] = Counter()
        self._in_flight: Counter[int] = Counter()
        self._later: list[tuple[float, WorkItem]] = []
        self._ended = False
        self._threads: list[threading.Thread] = []
        self.counts = FetchCounts()
        self.stopped: CasfsError | None = None

    def start(self) -> None:
        """Begin to fetch.

        Raises:
            ThreadError: not even one thread can be started.
        """
        for number in range(self._lanes.all):
            try:
                self._threads.append(start_thread(f"restore-{number}", self._run))
            except ThreadError:
                if not self._threads:
                    raise
                return

    def in_flight(self) -> int:
        """Return the bytes that have come of archives that are being fetched."""
        with self._changed:
            return self._in_flight.total()

    def wake(self) -> None:
        """Look at the worklist again: more can be read now."""
        with self._changed:
            self._notify()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is left to fetch, for so long at most; return whether that is so."""
        with self._changed:
            return self._news.wait_for(self._is_idle, seconds)

    def sleep(self, seconds: float) -> None:
        """Wait until something has changed, for so long at most."""
        with self._changed:
            self._news.wait(seconds)

    def stop(self, error: CasfsError) -> None:
        """Begin nothing more, because of an error."""
        with self._changed:
            self.stopped = self.stopped or error
            self._ended = True
            self._notify()

    def close(self, seconds: float) -> None:
        """Begin nothing more, and wait for what has begun."""
        with self._changed:
            self._ended = True
            self._notify()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        try:
            self._restore_each()
        except CasfsError as error:
            self.stop(error)
        except Exception as error:
            # Whoever waits until nothing is left would wait for this lane.
            log.info("a lane of a restore ends", exc_info=error)
            self.stop(CasfsError(f"the restore cannot continue: {reason(error)}"))

    def _restore_each(self) -> None:
        while True:
            with self._changed:
                taken = self._take()
                while taken is None and not self._ended:
                    self._changed.wait(self._pause())
                    taken = self._take()
                if taken is None or self._ended:
                    return
                item = self._items.pop(taken.key)
                fresh, self._fresh = self._fresh, []
            try:
                self._prepare(fresh)
                self._restore(item)
            finally:
                with self._changed:
                    self._order.done(taken)
                    self._in_flight.pop(item.number, None)
                    self._changed.notify_all()
                    if not self._order.fetching:
                        self._news.notify_all()

    def _notify(self) -> None:
        """Tell everybody of a change; the lock is held."""
        self._changed.notify_all()
        self._news.notify_all()

    def _prepare(self, items: list[WorkItem]) -> None:
        if not items:
            return
        try:
            self._restores.prepare(items)
        except CasfsError as error:
            log.info("archives are looked up one by one: %s", error)

    def _take(self) -> Fetchable | None:
        if self._ended:
            return None
        now = time.monotonic()
        found = [item for at, item in self._later if at <= now]
        self._later = [(at, item) for at, item in self._later if at > now]
        if self._order.wants_small:
            self._fresh = self._worklist.take_readable(large=False, count=_PAGE_SMALL)
            found += self._fresh
        if self._order.wants_large:
            found += self._worklist.take_readable(large=True, count=_PAGE_LARGE)
        for item in found:
            key = str(next(self._keys))  # Its last try may still have a lane.
            self._items[key] = item
            self._order.add(Fetchable.of(key, item.size or 0, item.expiry))
        return self._order.take()

    def _pause(self) -> float | None:
        if not self._later:
            return None
        return max(0.05, min(at for at, _ in self._later) - time.monotonic())

    def _is_idle(self) -> bool:
        waits = len(self._order) or self._order.fetching or self._later
        return self._ended or not (waits or self._worklist.totals()[Stage.READABLE].archives)

    def _restore(self, item: WorkItem) -> None:
        try:
            self._restores.restore(item, partial(self._note, item.number))
        except CasfsError as error:
            self._give_up(item, error)
        except Exception as error:
            log.exception("restoring %s hit a bug", item.path)
            shown = f"casfs hit a bug ({type(error).__name__}); please report it"
            self._fail(item, CasfsError(shown))

    def _give_up(self, item: WorkItem, error: CasfsError) -> None:
        """Decide what an error means for an archive, and for the others."""
        with self._changed:
            if self._ended:
                # Whatever it is comes of stopping.
                self._worklist.set_stage(item.number, Stage.READABLE)
                return
        if isinstance(error, DestinationDiskError | DeniedError):
            self._worklist.set_stage(item.number, Stage.READABLE)
            self.stop(error)
        elif isinstance(error, ExpiredError):
            with self._changed:
                self.counts.expired += 1
                self._news.notify_all()
            if self._restores.expired(item, error):
                self._worklist.set_stage(item.number, Stage.WAITING)
            else:
                self._fail(item, error)
        elif isinstance(error, OutputMismatchError | MismatchError):
            with self._changed:
                self.counts.mismatches += 1
            self._fail(item, error)
        elif isinstance(error, _PASSING):
            self._try_later(item, error)
        else:
            self._fail(item, error)

    def _try_later(self, item: WorkItem, error: CasfsError) -> None:
        log.warning("%s is to be fetched again: %s", item.path, error)
        with self._changed:
            self._tries[item.number] += 1
            if self._tries[item.number] < _TRIES:
                self._later.append((time.monotonic() + _PAUSE, item))
                return
            self.counts.left.append(f"{item.path}: {error}")
        self._worklist.set_stage(item.number, Stage.LEFT)

    def _fail(self, item: WorkItem, error: CasfsError) -> None:
        try:
            self._restores.failed(item, error)
        except CasfsError as stop:
            self.stop(stop)

    def _note(self, number: int, size: int) -> None:
        with self._changed:
            self.counts.bytes += size
            self._in_flight[number] += size
