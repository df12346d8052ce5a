"""Single-flight: long work that is done once for all who want it at the same time.

Lock order: the one lock guards the calls in flight and is innermost.
"""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from casfs.errors import DeadlineError
from casfs.threads import result_within

T = TypeVar("T")


class WorkProgress:
    """The progress of a call; the thread that runs it counts up."""

    def __init__(self) -> None:
        self.steps = 0
        self.abandoned = False
        self.done: Future[None] = Future()


class SingleFlight:
    """The calls in flight.

    Args:
        deadline: seconds without progress after which waiters give up, however long it takes.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._in_flight: dict[Hashable, WorkProgress] = {}

    def make(self, key: Hashable, what: str, make: Callable[[WorkProgress], T]) -> T | None:
        """Do some work, or wait for the thread that is doing it.

        Args:
            key: equal for equal work.
            what: names what is made, for messages.
            make: does it, in the caller's thread.

        Returns:
            what `make` returns; None if another caller did it in the meantime.

        Raises:
            DeadlineError: another caller is doing it, and makes no progress.
            InterruptedError: this caller was interrupted; a waiter does it then.
            Exception: what `make` raises, to all waiters.
        """
        while True:
            with self._lock:
                progress = self._in_flight.get(key)
                mine = progress is None
                if progress is None:
                    progress = self._in_flight[key] = WorkProgress()
            if mine:
                break
            self._wait(progress, what)
            if not progress.abandoned:
                return None
        try:
            made = make(progress)
        except InterruptedError:
            self._end(key)
            progress.abandoned = True
            progress.done.set_result(None)
            raise
        except BaseException as error:
            self._end(key)
            progress.done.set_exception(error)
            raise
        self._end(key)
        progress.done.set_result(None)
        return made

    def _end(self, key: Hashable) -> None:
        with self._lock:
            del self._in_flight[key]

    def _wait(self, progress: WorkProgress, what: str) -> None:
        before = -1
        while True:
            try:
                return result_within(progress.done, self._deadline)
            except FutureTimeoutError:
                if progress.steps == before:
                    raise DeadlineError(
                        f"{what} made no progress for {self._deadline:g} s; check the network, "
                        "or raise `deadline`"
                    ) from None
            before = progress.steps
