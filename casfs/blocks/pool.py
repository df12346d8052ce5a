"""Threads that work off tasks: the urgent ones first, those for later when nothing is urgent.

Lock order: the pool's one lock is innermost; no task runs under it.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from casfs.errors import ThreadError
from casfs.threads import start_thread

log = logging.getLogger(__name__)


class Task:
    """A piece of work that waits its turn.

    Args:
        work: what to do; it must not raise.
        urgent: somebody waits for it now.
    """

    __slots__ = ("begun", "urgent", "work")

    def __init__(self, work: Callable[[], None], urgent: bool) -> None:
        self.work = work
        self.urgent = urgent
        self.begun = False


class Pool:
    """A fixed number of daemon threads that are not away, over two queues.

    Threads start with the first task, so that a process may still fork before it.

    Args:
        name: of the threads.
        threads: how many tasks may be under way.
        width: tells how many tasks for later may be, from time to time another number.
    """

    def __init__(self, name: str, threads: int, width: Callable[[], int] | None = None) -> None:
        self._name = name
        self._threads = threads
        self._changed = threading.Condition(threading.Lock())
        # A dict is a queue from which any task can be taken out in constant time.
        self._urgent: dict[Task, None] = {}
        self._later: dict[Task, None] = {}
        self._workers: list[threading.Thread] = []
        self._closed = False
        self._short = False
        """Threads are missing that could not be started."""
        self._width = width or (lambda: threads)
        self._ahead = 0
        """Tasks under way that were for later when they began."""

    def submit(self, task: Task) -> None:
        """Queue a task behind its equals; a closed pool drops it.

        Raises:
            ThreadError: there is no thread, and none can be started; the task is not queued.
        """
        with self._changed:
            if self._closed:
                return
            refused = self._grow()
            (self._urgent if task.urgent else self._later)[task] = None
            self._changed.notify()
        if refused is not None:
            log.warning("fewer blocks than could be are brought at a time: %s", refused)

    def hurry(self, task: Task) -> None:
        """Make a task urgent, if it still waits for its turn or is about to."""
        with self._changed:
            task.urgent = True
            if task in self._later:
                del self._later[task]
                self._urgent[task] = None
                # Threads may be idle because more of what is for later would not help.
                self._changed.notify()

    def withdraw(self, task: Task) -> bool:
        """Take a task that is not urgent out of the queue; tell whether it was still there."""
        with self._changed:
            if task not in self._later:
                return False
            del self._later[task]
            return True

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Let another thread stand in for the calling one, which is at a task that takes long."""
        with self._changed:
            self._threads += 1
            refused = self._grow()
        if refused is not None:
            log.warning("other blocks wait for one that takes long: %s", refused)
        try:
            yield
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify()

    def threads(self) -> int:
        """Return how many threads there are."""
        with self._changed:
            return len(self._workers)

    def waiting(self) -> int:
        """Return how many tasks wait for their turn."""
        with self._changed:
            return len(self._urgent) + len(self._later)

    def close(self) -> None:
        """Drop what waits and let the threads end after the task they are at."""
        with self._changed:
            self._closed = True
            self._urgent.clear()
            self._later.clear()
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait for the threads of a closed pool, at most that long for each."""
        for worker in self._workers:
            worker.join(seconds)

    def _grow(self) -> ThreadError | None:
        """Start a thread if there may be one more; return why there is none, once."""
        if len(self._workers) >= self._threads or self._closed:
            return None
        try:
            self._workers.append(start_thread(f"{self._name}-{len(self._workers)}", self._run))
        except ThreadError as error:
            if not self._workers:
                raise
            told, self._short = self._short, True
            return None if told else error
        self._short = False
        return None

    def _has_work(self) -> bool:
        return bool(self._urgent or (self._later and self._ahead < self._width()))

    def _surplus(self) -> bool:
        return len(self._workers) > self._threads

    def _run(self) -> None:
        later = False
        while True:
            with self._changed:
                self._ahead -= later
                while not (self._has_work() or self._closed or self._surplus()):
                    self._changed.wait()
                if self._closed:
                    return
                if self._surplus():
                    self._workers.remove(threading.current_thread())
                    self._changed.notify()
                    return
                later = not self._urgent
                self._ahead += later
                queue = self._urgent or self._later
                task = next(iter(queue))
                del queue[task]
                task.begun = True
                # There may be room for more than one by now.
                if self._has_work():
                    self._changed.notify()
            try:
                task.work()
            except Exception:
                # The thread goes on: without it, nothing that waits here would ever come.
                log.critical("a task of %s died; this is a bug", self._name, exc_info=True)
