"""Brings blocks: from memory, from disk, from the service."""

import logging
import threading
import time
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from casfs.blocks.cache import DiskCache
from casfs.blocks.flights import Flights, wait
from casfs.blocks.leaves import Trust
from casfs.blocks.opened import OpenOutput
from casfs.blocks.pool import Pool, Task
from casfs.blocks.receive import Block, receive_run, receive_whole
from casfs.blocks.save import Saver
from casfs.deadline import Deadline
from casfs.errors import CasfsError, MismatchError
from casfs.metrics import Metrics
from casfs.ranges import BLOCK_SIZE, runs
from casfs.service.base import Output
from casfs.service.service import Body, Service

log = logging.getLogger(__name__)

LARGEST_GET = 8
"""Blocks of one GET at most: long enough that latency hardly counts, short enough that several of
them, which stay in memory until their hash is known, are small."""
_GET_SECONDS = 20.0
"""A GET is made smaller when it would take longer than this."""
_DISK_THREADS = 2
_CLOSE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Ahead:
    """A run that is queued to be fetched ahead of its use."""

    opened: OpenOutput
    run: range
    task: Task


@dataclass(frozen=True, slots=True)
class Got:
    """What `Fetcher.get` returns.

    Attributes:
        blocks: the blocks that were asked for, by number.
        missed: the numbers of those that were neither there nor under way.
        ahead: what was queued to be fetched ahead.
    """

    blocks: dict[int, memoryview]
    missed: list[int]
    ahead: list[Ahead]


class Fetcher:
    """Brings the blocks of all outputs of one client.

    Args:
        service: where blocks come from.
        disk: where they are kept.
        saver: writes them there.
        memory_size: bytes of blocks kept in memory.
        connections: GETs at a time.
        deadline: seconds that a GET, or a reader's wait, may take.
        metrics: counts what came from where.
    """

    def __init__(
        self,
        service: Service,
        disk: DiskCache,
        saver: Saver,
        memory_size: int,
        connections: int,
        deadline: float,
        metrics: Metrics,
    ) -> None:
        self._service = service
        self._disk = disk
        self._saver = saver
        self._deadline = deadline
        self._metrics = metrics
        self._memory = disk.memory
        self._flights = Flights(memory_size, saver.waiting)
        self._network = Pool("fetch", connections)
        self._disks = Pool("disk", _DISK_THREADS)
        self._opening = threading.Lock()
        self._opened: weakref.WeakValueDictionary[tuple[str, str, str], OpenOutput] = (
            weakref.WeakValueDictionary()
        )
        self._seconds_per_block = 0.0
        self._memory_blocks = memory_size // BLOCK_SIZE
        self.streams: set[object] = set()
        """The readers that read in order; adding and discarding are atomic."""

    def open(self, output: Output) -> OpenOutput:
        """Return an output to read from, one for all who read it.

        They share a pass over it, and one's refusal is everybody's. Another job may bring the same
        blocks, but is asked by itself.
        """
        key = (output.key, output.vault, output.job_id)
        with self._opening:
            opened = self._opened.get(key)
            if opened is None:
                opened = self._opened[key] = OpenOutput(output, self._disk.store(output))
            return opened

    def close(self) -> None:
        """End every wait with an error, and write what is still to be written."""
        self._network.close()
        self._disks.close()
        self._flights.close()
        self._saver.close(_CLOSE_SECONDS)

    def largest_get(self) -> int:
        """Return how many blocks to ask for at once: fewer when the line is slow."""
        limit = LARGEST_GET
        while limit > 1 and limit * self._seconds_per_block > _GET_SECONDS:
            limit //= 2
        return limit

    def window(self) -> int:
        """Return how many blocks a reader may be ahead: its share of two thirds of the memory.

        The other third is for what lands out of turn: a block that is pushed out of memory before
        it is read must be read from disk again.
        """
        return max(self._memory_blocks * 2 // 3 // max(len(self.streams), 1), 1)

    def get(self, opened: OpenOutput, run: range, ahead: range) -> Got:
        """Return the blocks of a run, and begin to fetch another one ahead of its use.

        Raises:
            MismatchError: the service's bytes are wrong, again and again.
            ExpiredError: a block is neither cached nor at the service.
            DeadlineError: a block did not come in time.
            CasfsError: the service failed in another way.
        """
        if opened.refusal is not None:
            raise MismatchError(opened.refusal)
        found = self._flights.look_up(opened.key, run)
        self._metrics.blocks.labels("memory").inc(len(found.here))
        if found.missing:
            self._load(opened, found.missing)
        for task in found.tasks:
            self._network.hurry(task)
            self._disks.hurry(task)
        queued = self._fetch_ahead(opened, ahead) if ahead else []
        blocks = wait(found, Deadline(self._deadline), opened.output)
        return Got(blocks, found.missing, queued)

    def withdraw(self, ahead: Iterable[Ahead]) -> None:
        """Give up fetching ahead what nobody waits for."""
        for item in ahead:
            if self._network.withdraw(item.task) or self._disks.withdraw(item.task):
                wanted = self._flights.abandon(item.opened.key, item.run)
                self._request(item.opened, wanted, urgent=True)

    def _load(self, opened: OpenOutput, numbers: list[int]) -> None:
        """Take blocks under way from disk, here and now; ask the service for the rest."""
        try:
            missing = [n for n in numbers if not self._take_from_disk(opened, n)]
            self._request(opened, missing, urgent=True)
        except BaseException as error:
            self._flights.fail(opened.key, numbers, error)
            raise

    def _take_from_disk(self, opened: OpenOutput, number: int) -> bool:
        data = opened.store.read(number)
        if data is None:
            return False
        self._metrics.blocks.labels("disk").inc()
        self._flights.land(opened.key, [(number, data)])
        return True

    def _fetch_ahead(self, opened: OpenOutput, run: range) -> list[Ahead]:
        new = self._flights.begin_ahead(opened.key, run)
        on_disk = [number for number in new if opened.store.holds(number)]
        missing = [number for number in new if number not in on_disk]
        queued = [
            self._queue(
                self._disks,
                opened,
                range(number, number + 1),
                Task(partial(self._load_in_background, opened, [number]), urgent=False),
            )
            for number in on_disk
        ]
        return queued + self._request(opened, missing, urgent=False)

    def _load_in_background(self, opened: OpenOutput, numbers: list[int]) -> None:
        try:
            self._load(opened, numbers)
        except CasfsError as error:
            # Who waits for the blocks has the error; a task has nobody to raise it to.
            log.info("blocks of the %s were not fetched: %s", opened.output, error)

    def _request(self, opened: OpenOutput, numbers: list[int], urgent: bool) -> list[Ahead]:
        """Queue the GETs that bring blocks under way."""
        return [
            self._queue(
                self._network, opened, part, Task(partial(self._fetch, opened, part), urgent)
            )
            for run in runs(numbers)
            for part in opened.output.layout.split(run, self.largest_get())
        ]

    def _queue(self, pool: Pool, opened: OpenOutput, run: range, task: Task) -> Ahead:
        self._flights.assign(opened.key, run, task)
        pool.submit(task)
        return Ahead(opened, run, task)

    def _fetch(self, opened: OpenOutput, run: range) -> None:
        """Bring a run from the service; who waits for it gets the blocks or the error."""
        if opened.adopt(run):
            return
        deadline = Deadline(self._deadline)
        started = time.monotonic()
        try:
            blocks = self._service.read(
                opened.output,
                opened.output.layout.span(run),
                lambda body: self._receive(opened, run, body, deadline),
                deadline,
            )
            if blocks:
                self._note_speed((time.monotonic() - started) / len(blocks))
                self._settle(opened, blocks)
                pairs = [(block.number, block.data) for block in blocks]
                self._saver.save(opened.store, opened.key, pairs)
                self._flights.land(opened.key, pairs)
                self._saver.wait_for_room()
        except CasfsError as error:
            self._flights.fail(opened.key, run, error)
        except Exception as error:
            log.exception("fetching blocks %s of the %s met a bug", run, opened.output)
            told = CasfsError(f"casfs met a bug while fetching ({error!r}); please report it")
            self._flights.fail(opened.key, run, told)

    def _receive(
        self, opened: OpenOutput, run: range, body: Body, deadline: Deadline
    ) -> list[Block]:
        """Return the blocks of a run; none when the body was, or will be, a pass over the whole."""
        tree_hash = self._service.tree_hash
        if not body.whole or len(run) == opened.output.layout.blocks:
            return receive_run(opened.output, run, body, tree_hash, self._memory)
        # An answer may come so late that a pass has brought these blocks already.
        wanted = self._flights.under_way(opened.key, run)
        if not wanted or opened.adopt_or_begin_pass(run):
            return []
        land = partial(self._land_from_pass, opened)
        try:
            receive_whole(
                opened.output, body, tree_hash, self._memory, opened.store, deadline, land
            )
        finally:
            # The pass may have begun behind these runs, or broken off before them.
            for other in opened.end_pass():
                work = partial(self._load_adopted, opened, other)
                self._queue(self._network, opened, other, Task(work, urgent=True))
        return []

    def _load_adopted(self, opened: OpenOutput, run: range) -> None:
        self._load_in_background(opened, self._flights.under_way(opened.key, run))

    def _land_from_pass(self, opened: OpenOutput, block: Block) -> None:
        # On disk first, here and now: what a pass drops costs another pass.
        try:
            opened.store.write(block.number, block.data)
            self._saver.kept(len(block.data))
        except OSError as error:
            self._metrics.unsaved_blocks.inc()
            log.warning("block %d of the %s was not kept: %s", block.number, opened.output, error)
        self._settle(opened, [block])
        self._flights.land(opened.key, [(block.number, block.data)])

    def _settle(self, opened: OpenOutput, blocks: list[Block]) -> None:
        """Note blocks that came; check the whole output if they were the last ones.

        Raises:
            MismatchError: it does not match the job's tree hash.
        """
        self._metrics.blocks.labels("network").inc(len(blocks))
        unchecked = sum(block.trust is Trust.UNCHECKED for block in blocks)
        self._metrics.unchecked_blocks.inc(unchecked)
        opened.record(blocks)
        mismatch = opened.check_whole()
        if mismatch is not None:
            self._flights.forget(opened.key, mismatch.forgotten)
            raise MismatchError(mismatch.message)

    def _note_speed(self, seconds_per_block: float) -> None:
        # Threads may overwrite each other's share; it is an estimate all the same.
        self._seconds_per_block += (seconds_per_block - self._seconds_per_block) / 4
