"""Compares a vault with the directory of a restore: what is there already, and what is wanted."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from casfs.client import Client, RestorableFile, Selected
from casfs.errors import CasfsError, DestinationError
from casfs.restore.destination.existing_files import (
    Existing,
    Overwrite,
    judge_existing,
    judge_other,
)
from casfs.restore.destination.file_hashes import FileHashes, hash_file
from casfs.restore.destination.manifest import ALGORITHMS
from casfs.restore.destination.manifest_index import ManifestIndex
from casfs.restore.destination.name_rules import NameRules, TakenNames
from casfs.restore.destination.opened_tree import OpenedTree, split
from casfs.restore.wanted_paths import Elsewhere, WantedPaths
from casfs.restore.work_items import Stage
from casfs.restore.worklist import Worklist

if TYPE_CHECKING:
    from casfs.blocks.output_files import OutputFiles

_NEWER = (Existing.NEWER, Existing.DIFFERENT)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Fills a worklist.

    Attributes:
        client: the account.
        vault: name of the vault.
        path: what is restored of it, "" for all.
        wanted: which archives.
        elsewhere: what another disk has, None if that does not count.
        overwrite: which files may be replaced.
        checksum: compare content where size and time would decide.
        algorithm: the service's tree hash, by its name in the manifest.
        tree: the directory, None if there is none yet.
        files: finds what earlier runs left there.
        manifest: of earlier runs, None if there is none.
        worklist: gets the archives.
        rules: which names the file system of the directory refuses.
        stores_times: files in the directory keep the times that they are given.
        taken: the paths so far, where the file system ignores case; else None.
    """

    client: Client
    vault: str
    path: str
    wanted: WantedPaths
    elsewhere: Elsewhere | None
    overwrite: Overwrite
    checksum: bool
    algorithm: str
    tree: OpenedTree | None
    files: "OutputFiles"
    manifest: ManifestIndex | None
    worklist: Worklist
    rules: NameRules = field(default_factory=NameRules)
    stores_times: bool = True
    taken: TakenNames | None = None

    def run(self) -> Iterator[Selected]:
        """Add every archive to the worklist; yield those that jobs must bring.

        Raises:
            NotFoundError: there is nothing at the path.
            CasfsError: the catalog cannot be read.
        """
        for file in self.client.restorable.files(self.vault, self.path):
            if self.wanted.wants(file.path) and (selected := self._add(file)) is not None:
                yield selected

    def _add(self, file: RestorableFile) -> Selected | None:
        if self.elsewhere is not None and self.elsewhere.has(file.archive):
            reason = f"restored elsewhere, according to {self.elsewhere.shown}"
            self.worklist.add(file, Stage.SKIPPED, reason=reason)
            return None
        try:
            existing = self._existing(file)
            here = self._is_here(file, existing)
        except CasfsError as error:
            self.worklist.add(file, Stage.FAILED, reason=str(error))
            return None
        replace = existing is Existing.REPLACE or (here and existing is Existing.SAME)
        if here:
            self.worklist.add(file, Stage.READABLE, replace=replace, here=True)
            return None
        if not existing.is_restored:
            stage = Stage.KEPT if existing is Existing.DIFFERENT else Stage.SKIPPED
            self.worklist.add(file, stage, reason=existing.reason)
            return None
        self.worklist.add(file, Stage.WAITING, replace=replace)
        return Selected(file.archive, file.path, file.size, file.created, file.tree_hash)

    def _existing(self, file: RestorableFile) -> Existing:
        """Return what becomes of an archive, by what is at its place.

        Raises:
            DestinationError: what is there is in the way.
        """
        names = split(file.path)
        self.rules.require(file.path)
        if self.taken is not None:
            self.taken.take(file.path)
        status = None if self.tree is None else self.tree.status(file.path)
        overwrite = self.overwrite
        if status is not None and self._is_restored_by_us(file, status):
            # Replacing it once is enough, however often the restore is started.
            return Existing.SAME
        if status is not None and self.tree is not None:
            self.tree.require_name(file.path)
        try:
            found = judge_existing(status, file.size, file.mtime, overwrite, self.checksum)
        except DestinationError as error:
            raise DestinationError(f"cannot restore {file.path}: {error}") from error
        if found is Existing.COMPARE and status is not None:
            if file.tree_hash is not None and self._has_hash(file, names):
                return Existing.SAME_CONTENT
            differs = file.tree_hash is not None
            return judge_other(status.st_mtime_ns, file.mtime, differs=differs)
        return found

    def _is_restored_by_us(self, file: RestorableFile, status: os.stat_result) -> bool:
        """Return whether this restore, before it was interrupted, has put a file there.

        Where files have no times, an earlier restore counts as well: nothing else tells that a file
        has not changed, and to fetch it again may cost something.
        """
        if self.manifest is None:
            return False
        line = self.manifest.get(file.path)
        if line is None or line.archive != file.archive or line.size != status.st_size:
            return False
        by_size = self.overwrite is Overwrite.IF_CHANGED and not self.checksum
        if by_size and not self.stores_times:
            return line.is_restored
        if not self.manifest.is_current(file.path):
            return False
        found = judge_existing(status, line.size, file.mtime, Overwrite.IF_CHANGED, False)
        return found is Existing.SAME or not self.stores_times

    def _is_content(self, file: RestorableFile, names: tuple[str, ...]) -> bool:
        """Return whether what is there is a file with the bytes of an archive."""
        status = None if self.tree is None else self.tree.status(file.path)
        if status is None or not stat.S_ISREG(status.st_mode):
            return False
        return file.size in (None, status.st_size) and self._has_hash(file, names)

    def _has_hash(self, file: RestorableFile, names: tuple[str, ...]) -> bool:
        hashes = self._hashes(file, names)
        return hashes is not None and hashes.tree_hash == file.tree_hash

    def _hashes(self, file: RestorableFile, names: tuple[str, ...]) -> FileHashes | None:
        parent = None if self.tree is None else self.tree.directory(names[:-1], make=False)
        if self.tree is None or parent is None:
            return None
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(names[-1], flags, dir_fd=parent.descriptor)
        except OSError as error:
            raise self.tree.error(file.path, error) from error
        try:
            return hash_file(descriptor, ALGORITHMS[self.algorithm])
        except OSError as error:
            raise self.tree.error(file.path, error) from error
        finally:
            os.close(descriptor)

    def _is_here(self, file: RestorableFile, existing: Existing) -> bool:
        """Return whether an earlier run has brought all bytes, and was ended before its record.

        Either only their name is missing, or they have it, and the manifest does not say so yet.
        """
        is_other = existing in _NEWER and self.stores_times
        if self.tree is None or is_other:
            return False
        names = split(file.path)
        parent = self.tree.directory(names[:-1], make=False)
        output = None
        if parent is not None:
            output = self.client.restorable.output_without_jobs(self.vault, file)
        if parent is None or output is None:
            return False
        place = self.files.place(parent.descriptor, output, file.path)
        self.worklist.allocated += place.allocated()
        if place.is_named(names[-1]):
            return place.has_leaves()
        if place.exists():
            return existing.is_restored and self.files.fill(output, place).missing() == 0
        if existing is Existing.ABSENT or not place.has_leaves():
            return False
        # Neither a size nor a time tells here whether the file is the one that a run has named.
        is_unknown = existing in (Existing.REPLACE, *_NEWER)
        return not is_unknown or self._is_content(file, names)
