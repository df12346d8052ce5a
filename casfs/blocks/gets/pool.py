"""Threads that work off tasks: the urgent ones first, those for later when nothing is urgent.

A task that stalls lends its place: another thread stands in for its own, so that tasks that stall
hold up no others. An owner gets few of the places that were lent, and none while a task of it is
under way that has stalled: or slow lines, whose tasks all stall now and then, would be given more
and more; but one for an urgent task, if it has none under way. Its tasks for later hold no more
places than they would if they did not stall.

Lock order: the pool's one lock is innermost; no task runs under it.
"""

import contextlib
import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.tasks import RunningTask, Task
from casfs.errors import ThreadError
from casfs.threads import start_thread

log = logging.getLogger(__name__)


class Pool:
    """Daemon threads over two queues: a fixed number that neither stall nor lend their place.

    Threads start with the first task, so that a process may still fork before it.

    Args:
        name: of the threads.
        threads: how many tasks may be under way.
        width: returns how many tasks for later may be, from time to time another number. Where it
            is less than `threads`, those for later never hold the last places.
    """

    def __init__(self, name: str, threads: int, width: Callable[[], int] | None = None) -> None:
        self._name = name
        self._threads = threads
        self._changed = threading.Condition(threading.Lock())
        # A dict is a queue from which any task can be taken out in constant time.
        self._urgent: OrderedDict[Task, None] = OrderedDict()
        self._later: OrderedDict[Task, None] = OrderedDict()
        self._workers: list[threading.Thread] = []
        self._closed = False
        self._short = False
        """Threads are missing that could not be started."""
        self._width = width or (lambda: threads)
        self._later_running = 0
        """Tasks under way that were for later when they began."""
        self._ahead = 0
        """Those of them that do not stall."""
        self._running: dict[int, RunningTask] = {}
        """What each thread is at."""
        self._stalled = 0
        self._busy_of: Counter[Hashable] = Counter()
        self._slow_of: Counter[Hashable] = Counter()
        """Tasks under way that have stalled."""
        self._urgent_of: Counter[Hashable] = Counter()
        """Tasks under way that were urgent when they began."""

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
            log.warning("running with fewer download threads than configured: %s", refused)

    def promote(self, task: Task) -> None:
        """Make a task urgent, if it still waits for its turn or is about to."""
        with self._changed:
            task.urgent = True
            if task in self._later:
                del self._later[task]
                self._urgent[task] = None
                # Threads may be idle because more of what is for later would not help.
                self._changed.notify()

    def put_back(self) -> None:
        """Queue the task that the calling thread is at once more, in front; a closed pool drops it.

        The thread continues with what it has started of it.
        """
        with self._changed:
            if self._closed:
                return
            task = self._running[threading.get_ident()].task
            task.begun = False
            queue = self._urgent if task.urgent else self._later
            queue[task] = None
            queue.move_to_end(task, last=False)
            self._changed.notify()

    def wake(self) -> None:
        """Look again whether a task may begin, since `width` tells another number."""
        with self._changed:
            if self._next() is not None:
                self._changed.notify()

    def waits(self, task: Task) -> bool:
        """Return whether a task is queued here."""
        with self._changed:
            return task in self._urgent or task in self._later

    def cancel(self, task: Task) -> bool:
        """Take a task that is not urgent out of the queue; return whether it was still there."""
        with self._changed:
            if task not in self._later:
                return False
            del self._later[task]
            return True

    @contextlib.contextmanager
    def lend(self) -> Iterator[None]:
        """Let another thread stand in for the calling one, which is at a task that takes long."""
        with self._changed:
            self._threads += 1
            refused = self._grow()
        if refused is not None:
            log.warning(
                "cannot replace a thread that is busy for long; other blocks wait: %s", refused
            )
        try:
            yield
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify()

    def stall(self, thread: int) -> None:
        """Note that the task of a thread, named by its identity, stalls; it lends its place."""
        with self._changed:
            run = self._running.get(thread)
            if run is None or run.stalled:
                return
            self._count_stalled(run, 1)
            refused = self._grow() if self._urgent or self._later else None
            self._changed.notify()
        if refused is not None:
            log.warning("cannot replace a thread that stalls; other blocks wait: %s", refused)

    def resume(self, thread: int) -> None:
        """Note that the task of a thread that stalled goes on, or is about to end."""
        with self._changed:
            run = self._running.get(thread)
            if run is not None and run.stalled:
                self._count_stalled(run, -1)
                self._changed.notify()

    def busy(self) -> int:
        """Return how many tasks are under way."""
        with self._changed:
            return len(self._running)

    def close(self) -> None:
        """Drop what waits and let the threads end after the task they are at."""
        with self._changed:
            self._closed = True
            self._urgent.clear()
            self._later.clear()
            self._changed.notify_all()

    def _grow(self) -> ThreadError | None:
        """Start a thread if there may be one more; return why there is none, once."""
        if len(self._workers) >= self._limit() or self._closed:
            return None
        try:
            self._workers.append(start_thread(f"{self._name}-{len(self._workers)}", self._run))
        except ThreadError as error:
            if not self._workers:
                raise
            warned, self._short = self._short, True
            return None if warned else error
        self._short = False
        return None

    def _limit(self) -> int:
        return self._threads + min(self._stalled, TUNING.lent_most)

    def _surplus(self) -> bool:
        return len(self._workers) > self._limit()

    def _next(self) -> Task | None:
        """Return the task that is to begin next, if one may."""
        if not (self._urgent or self._later):
            return None
        task = self._first(self._urgent, later=False)
        if task is None and self._later and self._ahead < self._width():
            task = self._first(self._later, later=True)
        return task

    def _first(self, queue: Iterable[Task], later: bool) -> Task | None:
        """Return the first task of a queue, of the owner who has the fewest under way."""
        lent = len(self._running) >= self._threads or (
            later and self._later_running >= self._width()
        )
        found, fewest = None, 0
        for task in queue:
            busy = self._busy_of[task.owner]
            if (found is None or busy < fewest) and not (lent and self._holds(task.owner, later)):
                found, fewest = task, busy
                if not busy:
                    break
        return found

    def _holds(self, owner: Hashable, later: bool) -> bool:
        """Return whether an owner already holds all that it gets of the places that were lent."""
        if self._slow_of[owner]:
            return later or bool(self._urgent_of[owner])
        return self._busy_of[owner] >= TUNING.lent_each

    def _begin(self, task: Task) -> None:
        later = task not in self._urgent
        del (self._later if later else self._urgent)[task]
        task.begun = True
        self._later_running += later
        self._ahead += later
        self._busy_of[task.owner] += 1
        if not later:
            self._urgent_of[task.owner] += 1
        self._running[threading.get_ident()] = RunningTask(task, later)

    def _end(self) -> None:
        run = self._running.pop(threading.get_ident())
        if run.stalled:
            self._count_stalled(run, -1)
        self._later_running -= run.later
        self._ahead -= run.later
        owner = run.task.owner
        _count(self._busy_of, owner, -1)
        _count(self._slow_of, owner, -run.slow)
        _count(self._urgent_of, owner, -(not run.later))

    def _count_stalled(self, run: RunningTask, change: int) -> None:
        run.stalled = change > 0
        self._stalled += change
        self._ahead -= change * run.later
        if not run.slow:
            run.slow = True
            self._slow_of[run.task.owner] += 1

    def _run(self) -> None:
        task: Task | None = None
        while True:
            with self._changed:
                if task is not None:
                    self._end()
                while (task := self._next()) is None or self._surplus():
                    if self._closed:
                        return
                    if self._surplus():
                        self._workers.remove(threading.current_thread())
                        self._changed.notify()
                        return
                    self._changed.wait()
                if self._closed:
                    return
                self._begin(task)
                # There may be room for more than one by now.
                if self._next() is not None:
                    self._changed.notify()
            try:
                task.work()
            except Exception:
                # The thread goes on: without it, nothing that waits here would ever come.
                log.critical(
                    "a task of %s hit a bug; please report it",
                    self._name,
                    exc_info=True,
                )


def _count(counter: Counter[Hashable], owner: Hashable, change: int) -> None:
    counter[owner] += change
    if not counter[owner]:
        del counter[owner]
