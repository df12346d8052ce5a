"""The files `inventory.json` and `inventory.csv` of an inventory job, whatever its output is.

A file that is not the output itself is made from it when it is first looked at, once for all who
want it, and cached. Its key covers the leaves of the output, so other bytes make another file.

Lock order: the one lock guards what is known of files and is innermost.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from cachetools import LRUCache

from casfs.blocks.derived_reader import DerivedReader
from casfs.blocks.disk.derived_files import DerivedFile, DerivedFiles
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.reader import Reader
from casfs.errors import CasfsError, InventoryError, OutputMismatchError, SizeError
from casfs.model import Job
from casfs.service.dialect import InventoryFields
from casfs.tree.file_names import to_file_name
from casfs.tree.ingest_worker import IngestWorker
from casfs.tree.inventory.bad_records import BadRecords, records_text, refuse
from casfs.tree.inventory.reading import open_inventory, starts_as_json
from casfs.tree.inventory.writing import to_csv, to_json
from casfs.tree.inventory_outputs import InventoryOutputs, OutputSource
from casfs.tree.metadata.account import Account
from casfs.tree.paths import Name
from casfs.tree.single_flight import SingleFlight, WorkProgress
from casfs.tree.tree_tuning import TUNING

log = logging.getLogger(__name__)

_FORM = 2
"""Version of the format of both files; raise it when that changes, so that they are remade."""

_Wanted = tuple[str, int, str]
"""Key and generation of an output, and name of the file to be made of it."""


@dataclass(frozen=True, slots=True)
class InventoryForm:
    """What inventory files are like.

    Attributes:
        fields: how the service names what an inventory holds.
        skip_bad: leave records out of files that cannot be read; else they refuse the file.
    """

    fields: InventoryFields
    skip_bad: bool = False


class InventoryFiles:
    """The inventory files of an account.

    Args:
        account: knows vaults, and measures outputs again whose bytes contradict their size.
        outputs: opens what files are made of.
        derived: stores the converted files.
        form: what files are like.
        deadline: seconds in which a file that others make must come a step further.
        ingest: gets the job of each converted inventory.
    """

    def __init__(
        self,
        account: Account,
        outputs: InventoryOutputs,
        derived: DerivedFiles,
        form: InventoryForm,
        deadline: float,
        ingest: IngestWorker,
    ) -> None:
        self._account = account
        self._outputs = outputs
        self._derived = derived
        self._fields = form.fields
        self._skip_bad = form.skip_bad
        self._once = SingleFlight(deadline)
        self._ingest = ingest
        self._lock = threading.Lock()
        self._sizes: LRUCache[_Wanted, int] = LRUCache(TUNING.remembered)
        self._refused: LRUCache[_Wanted, str] = LRUCache(TUNING.remembered)
        self._made_here: LRUCache[_Wanted, bool] = LRUCache(TUNING.remembered)

    def known_size(self, job: Job, name: str) -> int | None:
        """Return the size of a file in bytes, None if that takes reading the output."""
        opened = self._outputs.known(job)
        if opened is None:
            return None
        wanted = _wanted(opened, name)
        with self._lock:
            return self._sizes.get(wanted)

    def size(self, job: Job, name: str) -> int:
        """Return the size of a file in bytes; makes it if need be.

        Raises:
            InventoryError: the output is not an inventory, or is truncated.
            CasfsError: it cannot be read, or nothing can be stored.
        """
        size = self.known_size(job, name)
        if size is None:
            file = self.open(job, name)
            size = file.size
            file.close()
        return size

    def open(self, job: Job, name: str) -> Reader | DerivedReader:
        """Open a file; makes it if need be.

        Raises:
            InventoryError, CasfsError: as `size`.
        """
        opened = self._outputs.open(job)
        try:
            return self._open(job, opened, name)
        except SizeError:
            pass
        except (InventoryError, OutputMismatchError):
            # It may only seem truncated because its size was measured wrongly.
            if not self._account.has_other_size(job):
                raise
        return self._open(job, self._outputs.open(job), name)

    def _open(self, job: Job, opened: OpenOutput, name: str) -> Reader | DerivedReader:
        if opened.output.layout.size == 0:
            raise InventoryError(
                f"the {opened.output} is empty, so it is not an inventory; download it again"
            )
        file: Reader | DerivedReader | None = (
            self._output(opened) if name == Name.INVENTORY_JSON else None
        )
        if file is None:
            derived = self._find_or_make(job, opened, name)
            file = DerivedReader(
                derived, opened, name, lambda bad: self._renew(job, opened, name, bad)
            )
        with self._lock:
            self._sizes[_wanted(opened, name)] = file.size
        return file

    def left_out(self, job: Job, name: str) -> int:
        """Return how many bad records are left out of a file; reads the output.

        Raises:
            InventoryError, CasfsError: as `size`.
        """
        bad = BadRecords()
        with self._outputs.read(job) as file:
            if name == Name.INVENTORY_JSON and starts_as_json(file):
                return 0
        with self._outputs.read(job) as file:
            for _ in open_inventory(file, bad.note).batches():
                bad.take_ids()
        return bad.count

    def verified(self, opened: OpenOutput, name: str) -> str:
        """Return `yes`, `partial` or `no`: whether the bytes of a file are verified.

        They are as verified as the output if they were made from it here. A file that an earlier
        process left was compared only with its own digests, which anybody can compute.
        """
        with self._lock:
            made_here = _wanted(opened, name) in self._made_here
        found = None if made_here else self._find(opened, name)
        if found is None:
            return opened.verified()
        found.close()
        return "no"

    def _output(self, opened: OpenOutput) -> Reader | None:
        """Return the output itself if it is JSON."""
        reader = self._outputs.reader(opened)
        try:
            if starts_as_json(OutputSource(reader, WorkProgress())):
                return reader
        except BaseException:
            reader.close()
            raise
        reader.close()
        return None

    def _find_or_make(self, job: Job, opened: OpenOutput, name: str) -> DerivedFile:
        while True:
            file = self._find(opened, name) or self._make_once(job, opened, name)
            if file is not None:
                return file

    def _find(self, opened: OpenOutput, name: str) -> DerivedFile | None:
        root = opened.store.leaves.root()
        return None if root is None else self._derived.find(self._key(opened, root, name))

    def _make_once(self, job: Job, opened: OpenOutput, name: str) -> DerivedFile | None:
        """Make a file, or wait for the thread that is making it and return None."""
        wanted = _wanted(opened, name)
        with self._lock:
            refused = self._refused.get(wanted)
        if refused is not None:
            raise InventoryError(refused)
        what = f"{name} of the {opened.output}"
        try:
            made = self._once.make(wanted, what, partial(self._make, job, opened, name))
        except InventoryError as error:
            with self._lock:
                self._refused[wanted] = str(error)
            raise
        if made is None:
            return None
        file, is_new = made
        if is_new:
            with self._lock:
                self._made_here[wanted] = True
            self._ingest.catch_up(job.vault, job.id)
        return file

    def _make(
        self, job: Job, opened: OpenOutput, name: str, progress: WorkProgress
    ) -> tuple[DerivedFile, bool]:
        """Return the file, and whether it was made here: another thread may have been quicker."""
        found = self._find(opened, name)
        if found is not None:
            return found, False
        reader = self._outputs.reader(opened)
        try:
            bad = BadRecords()
            on_bad = bad.note if self._skip_bad else refuse
            inventory = open_inventory(OutputSource(reader, progress), on_bad)
            pieces = self._pieces(job, name, inventory.batches())
            made = self._derived.make(pieces, lambda: self._key(opened, _root(opened), name))
            if bad.count:
                log.info(
                    "%s of inventory %s could not be read and left out of %s: %s",
                    *(records_text(bad.count), job.id, name, bad.first),
                )
            return made, True
        except InventoryError as error:
            raise InventoryError(f"cannot make {name} of the {opened.output}: {error}") from error
        finally:
            reader.close()

    def _pieces(self, job: Job, name: str, batches: Any) -> Iterator[bytes]:
        if name == Name.INVENTORY_CSV:
            return to_csv(self._fields.tree_hash, batches)
        # The services' CSV contains neither the vault nor its own date.
        vault = self._account.vault(to_file_name(job.vault))
        stated = json.loads(vault.raw) | json.loads(job.raw)
        facts = {self._fields.vault: stated.get(self._fields.vault), "InventoryDate": None}
        return to_json(facts, self._fields.tree_hash, batches)

    def _key(self, opened: OpenOutput, root: bytes, name: str) -> str:
        return kept_key(opened.output.key, root, name, self._skip_bad)

    def _renew(self, job: Job, opened: OpenOutput, name: str, bad: DerivedFile) -> DerivedFile:
        self._derived.remove_rotten(self._key(opened, _root(opened), name), bad)
        return self._find_or_make(job, opened, name)


def _wanted(opened: OpenOutput, name: str) -> _Wanted:
    return opened.output.key, opened.store.leaves.generation, name


def _root(opened: OpenOutput) -> bytes:
    """Return the tree hash of what was read.

    Raises:
        CasfsError: it was not read as a whole, or was found to be wrong since.
    """
    if (refusal := opened.refusal) is not None:
        raise OutputMismatchError(refusal)
    root = opened.store.leaves.root()
    if root is None:
        raise CasfsError(f"the {opened.output} changed while it was read; read it again")
    return root


def kept_key(key: str, root: bytes, name: str, skip_bad: bool = False) -> str:
    """Return the cache key of a file that was made from an output.

    Args:
        key: of the output.
        root: tree hash of the bytes that it was made of.
        name: of the file.
        skip_bad: bad records are left out of it.
    """
    identity = [key, root.hex(), name, _FORM, *(["without bad records"] * skip_bad)]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()
