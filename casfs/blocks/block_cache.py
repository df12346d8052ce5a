"""Fetches blocks: from memory, from disk, from the service."""

import logging
import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.delivery import Delivery
from casfs.blocks.disk.store import OutputStores
from casfs.blocks.disk.write_behind import BlockWriter
from casfs.blocks.download import Downloader
from casfs.blocks.found_blocks import Found, InFlight, wait
from casfs.blocks.get_queue import GetQueue, Left, Queued, owner_of
from casfs.blocks.gets.pool import Pool
from casfs.blocks.gets.slots import Slots
from casfs.blocks.gets.tasks import Task
from casfs.blocks.memory_cache import MemoryCache
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.read_limits import ReadLimits
from casfs.blocks.streams import Streams
from casfs.deadline import Deadline
from casfs.errors import CasfsError, ThreadError
from casfs.metrics import Metrics
from casfs.model import JobSlice, Output
from casfs.ranges import BLOCK_SIZE
from casfs.service.service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Got:
    """The blocks that were asked for, by number, and what was queued to be prefetched."""

    blocks: dict[int, memoryview]
    ahead: list[Queued]


class BlockCache:
    """Fetches the blocks of all outputs of one client.

    Args:
        service: where blocks come from.
        disk: where they are cached.
        write_behind: writes them there.
        limits: what reading may take.
        metrics: counts what came from where.
    """

    def __init__(
        self,
        service: Service,
        disk: OutputStores,
        write_behind: BlockWriter,
        limits: ReadLimits,
        metrics: Metrics,
    ) -> None:
        self._disk = disk
        self._write_behind = write_behind
        self._deadline = limits.deadline
        self._metrics = metrics
        self._memory = MemoryCache(limits.memory, write_behind.unwritten)
        slots = Slots.of(limits.connections)
        self._network = Pool("fetch", slots.requests + slots.reserve, self.useful)
        self._disks = Pool("disk", TUNING.disk_threads)
        delivery = Delivery(disk.memory, disk.verifier, self._memory, write_behind, metrics)
        self._downloader = Downloader(
            service, delivery, slots, self._network, limits.deadline, self._look_up_again
        )
        self._gets = GetQueue(self._memory, self._network, self._downloader)
        self._opening = threading.Lock()
        self._opened: weakref.WeakValueDictionary[
            tuple[str, str, tuple[JobSlice, ...]], OpenOutput
        ] = weakref.WeakValueDictionary()
        self._memory_blocks = limits.memory // BLOCK_SIZE
        self._streams = Streams()

    def open(self, output: Output) -> OpenOutput:
        """Return an output to read from, one for all who read it.

        They share a whole-body transfer of it, and one's refusal is everybody's; whoever opens it
        after that starts afresh. Other jobs that bring the same blocks are asked separately.
        """
        key = (output.key, output.vault, output.sources)
        with self._opening:
            opened = self._opened.get(key)
        if opened is not None and opened.refusal is None:
            return opened
        for _ in range(TUNING.openings):
            made = OpenOutput(output, self._disk, self._streams)
            # An earlier process may have ended between the last block and this check.
            made.check_whole()
            if made.refusal is None or made.store.leaves.wrong_for_good():
                break
        with self._opening:
            opened = self._opened.get(key)
            if opened is None or opened.refusal is not None:
                opened = self._opened[key] = made
            return opened

    def busy(self) -> int:
        """Return how many downloads are under way."""
        return self._network.busy()

    def useful(self) -> int:
        """Return how many downloads of what may be read later are worth having under way."""
        return self._downloader.width()

    def status_facts(self) -> Mapping[str, object]:
        """Return how many downloads are under way."""
        return {"connections_in_use": self.busy()}

    def close(self) -> None:
        """End every wait with an error, and write what is still to be written."""
        self._network.close()
        self._disks.close()
        self._downloader.close()
        self._memory.close()
        with self._opening:
            opened = list(self._opened.values())
        for one in opened:
            for source in one.sources:
                source.shared.close()
        self._write_behind.close(TUNING.close_seconds)

    def largest_get(self) -> int:
        """Return how many blocks to ask for at once: fewer when the line is slow or breaks."""
        return self._downloader.line.largest_later()

    def window(self) -> int:
        """Return how many blocks a stream may be ahead: its share of five sixths of the memory.

        The rest is for blocks that arrive out of turn, or were read and wait to be written: a block
        that leaves memory before it is read must be read from disk again.
        """
        return max(self._memory_blocks * 5 // 6 // max(self._streams.count(), 1), 1)

    def get(self, opened: OpenOutput, run: range, reader: object, offset: int, end: int) -> Got:
        """Return the blocks of a run, and begin to prefetch what is likely to be read next.

        Args:
            opened: the output.
            run: blocks that are wanted.
            reader: who reads.
            offset: first byte that is read.
            end: the byte behind the last one.

        Raises:
            MismatchError: the service's bytes are wrong, again and again.
            OutputMismatchError: the output as a whole is not what the job says.
            ExpiredError: a block is neither cached nor at the service.
            DeadlineError: a block did not come in time.
            CasfsError: the service failed in another way.
        """
        if opened.transferred:
            opened.note_read(run)
        ahead = opened.prefetcher.after(reader, offset, end - offset, self)
        ended = run.stop if end == opened.output.layout.size else end // BLOCK_SIZE
        found = self._memory.look_up(opened.key, run, opened, ended)
        self._metrics.blocks.labels("memory").inc(len(found.here))
        if found.in_flight:
            self._bring(opened, found)
        queued = self._prefetch(opened, ahead) if ahead else []
        blocks = found.here
        if found.in_flight or opened.state.undoubted != opened.generation:
            try:
                blocks = self._wait(opened, run, ended, found)
            except BaseException:
                self.cancel(queued)
                raise
        for number in found.missing:
            opened.prefetcher.missed(number)
        return Got(blocks, queued)

    def prefetch(self, output: Output, limit: int, most_of_larger: int = 1) -> int:
        """Begin to fetch an output that may be read soon; only the beginning of a larger one.

        Args:
            output: what may be read.
            limit: blocks up to which all of it is fetched.
            most_of_larger: blocks that are fetched of a larger one.

        Returns:
            the number of blocks that it has or will have in memory.
        """
        blocks = output.layout.blocks
        run = range(blocks if blocks <= limit else most_of_larger)
        self._prefetch(self.open(output), run)
        return len(run)

    def forget(self, opened: OpenOutput) -> None:
        """Drop the blocks of an output from memory; who reads it next finds them on disk."""
        self._memory.forget(opened.key, range(opened.output.layout.blocks))

    def cancel(self, ahead: Iterable[Queued]) -> None:
        """Give up prefetching what nobody waits for."""
        for item in ahead:
            if self._network.cancel(item.task) or self._disks.cancel(item.task):
                wanted = self._memory.cancel(item.opened.key, item.left.run)
                self._gets.request(item.opened, wanted, urgent=True)

    def _bring(self, opened: OpenOutput, found: Found) -> None:
        """Bring what only this reader can bring, and have others brought sooner."""
        if found.missing:
            for number, data in self._load(opened, found.missing).items():
                found.here[number] = data
                del found.in_flight[number]
        for task in found.tasks:
            self._network.promote(task)
            self._disks.promote(task)

    def _wait(
        self, opened: OpenOutput, run: range, ended: int, found: Found
    ) -> dict[int, memoryview]:
        def moved(entry: InFlight) -> float:
            # A download that is queued gets its turn for as long as others get on.
            waits = entry.task is not None and self._network.waits(entry.task)
            anybody = self._downloader.moved if waits else 0.0
            return max(anybody, entry.owner.moved if isinstance(entry.owner, OpenOutput) else 0.0)

        deadline = Deadline(self._deadline)
        while True:
            try:
                blocks = wait(found, deadline, opened.output, moved)
                break
            except CasfsError as error:
                if deadline.passed() or not found.failed_elsewhere(opened):
                    raise
                log.info("requesting blocks %s of the %s again: %s", run, opened.output, error)
            found = self._memory.look_up(opened.key, run, opened, ended)
            self._bring(opened, found)
        # What came while we waited may have shown that what we were given is wrong.
        if opened.state.undoubted != opened.generation:
            opened.wait_for_doubts(deadline)
            opened.require_current()
        return blocks

    def _load(self, opened: OpenOutput, numbers: list[int]) -> dict[int, memoryview]:
        """Take blocks in flight from disk, and return them; ask the service for the rest."""
        there: dict[int, memoryview] = {}
        try:
            for number in numbers:
                if (data := opened.read(number)) is not None:
                    there[number] = data
                    self._metrics.blocks.labels("disk").inc()
                    self._memory.complete(opened.key, [(number, data)])
            if missing := [number for number in numbers if number not in there]:
                self._gets.request(opened, missing, urgent=True)
        except BaseException as error:
            self._memory.fail(opened.key, numbers, error)
            raise
        return there

    def _prefetch(self, opened: OpenOutput, run: range) -> list[Queued]:
        new = self._memory.begin_prefetch(opened.key, run, opened)
        try:
            return self._queue_prefetch(opened, new)
        except ThreadError as error:
            # What is read now must not fail for what may be read later.
            self._memory.fail(opened.key, new, error)
            log.warning("cannot prefetch blocks of the %s: %s", opened.output, error)
            return []
        except BaseException as error:
            self._memory.fail(opened.key, new, error)
            raise

    def _queue_prefetch(self, opened: OpenOutput, new: list[int]) -> list[Queued]:
        on_disk = [number for number in new if opened.holds(number)]
        missing = [number for number in new if number not in on_disk]
        queued = [
            self._gets.queue(
                self._disks,
                opened,
                Left(range(number, number + 1)),
                Task(partial(self._load_in_background, opened, [number]), urgent=False),
            )
            for number in on_disk
        ]
        return queued + self._gets.request(opened, missing, urgent=False)

    def _load_in_background(self, opened: OpenOutput, numbers: list[int]) -> None:
        try:
            self._load(opened, numbers)
        except CasfsError as error:
            # Who waits for the blocks has the error; a task has nobody to raise it to.
            log.info("blocks of the %s were not fetched: %s", opened.output, error)

    def _look_up_again(self, opened: OpenOutput, run: range) -> None:
        work = partial(self._load_adopted, opened, run)
        self._gets.queue(self._network, opened, Left(run), Task(work, True, owner_of(opened, run)))

    def _load_adopted(self, opened: OpenOutput, run: range) -> None:
        self._load_in_background(opened, self._memory.under_way(opened.key, run))
