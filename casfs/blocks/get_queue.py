"""GETs that wait for a thread: how a run is cut into them is decided when one begins."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

from casfs.blocks.download import Downloader
from casfs.blocks.gets.pool import Pool
from casfs.blocks.gets.tasks import Task
from casfs.blocks.memory_cache import MemoryCache
from casfs.blocks.open_output import OpenOutput
from casfs.ranges import runs

_UNDER_WAY = Task(lambda: None, urgent=True)
"""Stands for the task of blocks that a thread has taken out of a larger task: it waits no more."""


@dataclass(slots=True, eq=False)
class Left:
    """What is left of a run whose blocks are brought bit by bit."""

    run: range


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that is queued to be brought, by a task."""

    opened: OpenOutput
    left: Left
    task: Task


class GetQueue:
    """Queues runs for the threads that bring them.

    Args:
        memory: knows the task of each block in flight.
        pool: has the threads.
        downloader: downloads the runs.
    """

    def __init__(self, memory: MemoryCache, pool: Pool, downloader: Downloader) -> None:
        self._memory = memory
        self._pool = pool
        self._downloader = downloader

    def request(self, opened: OpenOutput, numbers: list[int], urgent: bool) -> list[Queued]:
        """Queue the GETs that fetch blocks in flight.

        They are as large as may be worth it when they begin: how the line is then, GETs show that
        are under way now.
        """
        largest = self._downloader.line.largest_later()
        parts = [part for run in runs(numbers) for part in opened.output.split(run, largest)]
        queued = []
        for part in parts:
            left = Left(part)
            task = Task(partial(self._bring, opened, left), urgent, owner_of(opened, part))
            queued.append(self.queue(self._pool, opened, left, task))
        return queued

    def queue(self, pool: Pool, opened: OpenOutput, left: Left, task: Task) -> Queued:
        """Queue a task that brings blocks in flight."""
        self._memory.assign(opened.key, left.run, task)
        pool.submit(task)
        return Queued(opened, left, task)

    def _bring(self, opened: OpenOutput, left: Left) -> None:
        """Bring as much of a run as one GET may bring by now, and leave the rest to others."""
        part = left.run
        if len(part) > 1:
            part = next(opened.output.split(part, self._downloader.line.largest_get()))
        if len(part) < len(left.run):
            self._memory.assign(opened.key, part, _UNDER_WAY)
            left.run = range(part.stop, left.run.stop)
            self._pool.put_back()
        self._downloader.bring(opened, part)


def owner_of(opened: OpenOutput, run: range) -> Hashable:
    """Return what names the job that brings a run: its GETs are likely to stall together."""
    output = opened.output
    return output.vault, output.sources[output.source_number(run.start)].job_id
