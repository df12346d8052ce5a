"""Brings outputs of one block into files, each in the thread that restores it.

A large output is fetched by many threads, in any order, and is written and read back behind that.
For an output of a few kilobytes, handing it from thread to thread takes several times as long as
its GET and its file. So one thread does all of it, with the same checks and the same files, as long
as nothing is out of the ordinary. Everything else is left to `PartFilling`: what an earlier run, or
the cache, has a part of, what no hash covers, what is slow, and what is not what it should be.

Lock order: the one lock here guards the deadlines, and is innermost.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from casfs.blocks.block import Block
from casfs.blocks.block_tuning import TUNING
from casfs.blocks.disk.leaf_file import LeafFile
from casfs.blocks.disk.part_file import PartFile
from casfs.blocks.disk.part_place import PartPlace
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.gets.resume import ResumableRun
from casfs.blocks.part_filling import FilledPart, PartFilling
from casfs.blocks.read_back import is_same
from casfs.blocks.small_limit import SmallLimit
from casfs.blocks.verify import Digest, matches
from casfs.deadline import Deadline
from casfs.errors import DeadlineError, MismatchError, RequestError, TransientError
from casfs.metrics import Metrics
from casfs.model import Output
from casfs.service.output_body import Body
from casfs.service.service import Service

_PATIENCE = 2.0
"""Seconds to wait for a place among the GETs; if all of them stall, others must lend theirs."""
_BROKEN = 3
"""Answers in a row that bring nothing after which an output is left to `PartFilling`."""


class UnusualError(Exception):
    """An output is not to be brought in this way; it may be in another."""


class _BrokenOffError(Exception):
    """An answer broke off, and what came of it is kept."""


@dataclass(frozen=True, slots=True)
class BroughtFile:
    """The file of an output of one block, verified and on disk; it has no name yet.

    Attributes:
        file: the file.
        sha256: of its bytes, in hexadecimal.
        tree_hash: of its bytes, which is that of the output.
    """

    file: PartFile
    sha256: str
    tree_hash: Digest


class SmallOutputs:
    """Brings outputs of one block into files; called by several threads.

    Args:
        service: where they come from.
        disk: the cache; what it has something of is not brought here.
        metrics: counts what is fetched.
        most: how many GETs may be under way.
        deadline: seconds that one may take.
    """

    def __init__(
        self, service: Service, disk: DiskCache, metrics: Metrics, most: int, deadline: float
    ) -> None:
        self._service = service
        self._disk = disk
        self._verifier = disk.verifier
        self._metrics = metrics
        # Faster than a semaphore, which is not written in C.
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._places.put(None)
        self._seconds = deadline
        self._lock = threading.Lock()
        self._deadlines: set[Deadline] = set()
        self._limit = SmallLimit(deadline)
        self._closed = False

    def takes(self, output: Output) -> bool:
        """Return whether an output may be brought here."""
        if output.layout.blocks != 1 or len(output.sources) != 1 or output.measured:
            return False
        return (
            output.tree_hash is not None
            and bool(output.sources[0].job_id)
            and self._limit.allows(output.layout.size)
            and not self._disk.has_place(output)
            and not any(map(self._disk.has_place, (*output.sources, *output.others)))
        )

    def close(self) -> None:
        """End every GET with an error, and begin no other."""
        with self._lock:
            self._closed = True
            for deadline in self._deadlines:
                deadline.end()

    def bring(self, output: Output, place: PartPlace, finish: Callable[[int], None]) -> BroughtFile:
        """Fetch an output, verify it, and bring it to disk.

        Args:
            output: one that `takes` has accepted.
            place: where it is written.
            finish: is called with the descriptor once all bytes are written, before the sync.

        Raises:
            UnusualError: it is to be brought by `PartFilling`, which finds what was written.
            DestinationError: the file cannot be written.
            CasfsError: the service failed, or has it no more.
        """
        file = self._make(output, place)
        with self._place() as deadline:
            block = self._timed_fetch(output, deadline)
        try:
            file.write(0, block.data)
            self._write_leaf(place, block)
        except OSError as error:
            raise place.error(error) from error
        finish(file.descriptor)
        self._require_on_disk(file, place, block)
        sha256 = self._verifier.sha256(block.data, block.leaf)
        return BroughtFile(file, sha256, block.leaf)

    def _make(self, output: Output, place: PartPlace) -> PartFile:
        try:
            return PartFile(place.make_data(), output.layout)
        except FileExistsError as error:
            raise UnusualError from error
        except OSError as error:
            raise place.error(error) from error

    @contextmanager
    def _place(self) -> Iterator[Deadline]:
        """Wait for a place among the GETs, and hold it."""
        try:
            self._places.get(timeout=_PATIENCE)
        except Empty as error:
            raise UnusualError from error
        try:
            deadline = Deadline(self._seconds)
            with self._lock:
                if self._closed:
                    raise UnusualError
                self._deadlines.add(deadline)
            try:
                yield deadline
            finally:
                with self._lock:
                    self._deadlines.discard(deadline)
        finally:
            self._places.put(None)

    def _timed_fetch(self, output: Output, deadline: Deadline) -> Block:
        begun, size = time.monotonic(), output.layout.size
        try:
            block = self._fetch(output, deadline)
        except BaseException as error:
            self._limit.note_failure()
            if isinstance(error, DeadlineError) and not self._closed:
                self._limit.note_too_slow(size)
                raise UnusualError from error
            raise
        self._limit.note(size, time.monotonic() - begun)
        return block

    def _fetch(self, output: Output, deadline: Deadline) -> Block:
        """Return the one block of an output, which matches the tree hash of the output."""
        run = ResumableRun(output, range(1), self._verifier, self._service.any_range)
        blocks: list[Block] = []
        span, broken = run.ask(1), 0
        while span is not None:
            try:
                self._service.outputs.read(output, span, self._receiver(run, span), deadline)
                blocks = run.accept()
            except _BrokenOffError as error:
                broken = 0 if run.kept else broken + 1
                little = 0 < run.kept < TUNING.least_kept
                if broken >= _BROKEN or not self._service.may_ask_again(broken, deadline, little):
                    raise UnusualError from error
                if run.kept:
                    deadline.extend(time.monotonic())
            except RequestError as error:
                if span[0]:
                    # It gives no range that begins inside a block.
                    raise UnusualError from error
                raise
            span = run.ask(1)
        (block,) = blocks
        if not matches(self._verifier.root([block.leaf]), output.tree_hash):
            raise UnusualError
        self._metrics.blocks.labels("network").inc()
        self._metrics.read_bytes.inc(output.layout.size)
        return block

    def _receiver(self, run: ResumableRun, span: tuple[int, int]) -> Callable[[Body], None]:
        def receive(body: Body) -> None:
            if (body.first, body.stop) != span:
                raise UnusualError
            try:
                run.receive(body, self._disk.memory)
            except MismatchError as error:
                self._metrics.count_failure("Mismatch")
                raise UnusualError from error
            except TransientError as error:
                if run.go_on(error):
                    raise _BrokenOffError from error
                raise

        return receive

    def _write_leaf(self, place: PartPlace, block: Block) -> None:
        leaves = LeafFile(place.leaves, 1, self._verifier.digest_size, place)
        leaves.queue([(0, block.trust, block.leaf)])
        leaves.flush()

    def _require_on_disk(self, file: PartFile, place: PartPlace, block: Block) -> None:
        """Sync a file, and compare what the disk has with what was verified."""
        found = memoryview(bytearray(len(block.data)))
        try:
            file.sync(range(1), os.fsync)
        except OSError as error:
            raise place.sync_error(error) from error
        try:
            whole = file.read(0, found)
        except OSError as error:
            raise place.error(error) from error
        if not (whole and is_same(found, block.data)):
            raise UnusualError


class SmallFilling:
    """An output of one block on its way into a file; used by one thread.

    Args:
        small: brings it.
        output: what is fetched.
        place: where it is written.
        otherwise: returns what brings it if `small` does not.
    """

    def __init__(
        self,
        small: SmallOutputs,
        output: Output,
        place: PartPlace,
        otherwise: Callable[[], PartFilling],
    ) -> None:
        self._small = small
        self._output = output
        self._place = place
        self._otherwise = otherwise
        self._filled: BroughtFile | PartFilling | None = None

    @property
    def descriptor(self) -> int:
        """Return the descriptor of the file that `run` has filled."""
        if isinstance(self._filled, BroughtFile):
            return self._filled.file.descriptor
        if self._filled is None:
            raise ValueError("the file is not filled")
        return self._filled.descriptor

    def run(self, note: Callable[[int], None], finish: Callable[[int], None]) -> FilledPart:
        """Bring it as `PartFilling.run` does."""
        try:
            found = self._filled = self._small.bring(self._output, self._place, finish)
        except UnusualError:
            filling = self._filled = self._otherwise()
            return filling.run(note, finish)
        size = self._output.layout.size
        note(size)
        return FilledPart(found.sha256, found.tree_hash, "yes", size)
