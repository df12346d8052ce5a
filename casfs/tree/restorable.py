"""What a restore needs to know of archives: where each belongs, and which output has its bytes."""

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from casfs.blocks.output_files import OutputFiles
from casfs.errors import CasfsError, NotFoundError
from casfs.model import Output, output_key
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.service.service import Service
from casfs.tree.archive_index import ArchiveIndex
from casfs.tree.archive_jobs import ArchiveJobs
from casfs.tree.archives.entries import Archive, Scope
from casfs.tree.coverage import digest_of
from casfs.tree.descriptions.safe_path import BY_ID
from casfs.tree.file_names import to_file_name
from casfs.tree.sqlite.values import to_microseconds


@dataclass(frozen=True, slots=True)
class RestorableFile:
    """An archive as a file.

    Attributes:
        archive: id of the archive.
        path: where it belongs, as below `archives` of a mount.
        size: bytes, None if unknown.
        mtime: nanoseconds since 1970.
        tree_hash: of the whole archive in hexadecimal, in small letters; None if unknown.
        created: when it was uploaded, in microseconds since 1970.
    """

    archive: str
    path: str
    size: int | None
    mtime: int
    tree_hash: str | None
    created: int


@dataclass(frozen=True)
class Restorable:
    """The archives of an account as a restore needs them.

    Attributes:
        index: finds archives.
        jobs: which jobs cover each archive.
        service: whose archives they are.
        output_files: keep in the cache -> what fetches outputs into files; to be closed before the
            client.
    """

    index: ArchiveIndex
    jobs: ArchiveJobs
    service: Service
    output_files: Callable[[bool], OutputFiles]

    def files(self, vault: str, path: str) -> Iterator[RestorableFile]:
        """Yield every archive at or below a path, older ones of a name and nameless ones included.

        Markers of directories are left out, since they hold nothing: see `directories`.

        Args:
            vault: name of the vault.
            path: below `archives`, "" for the whole vault.

        Raises:
            NotFoundError: nothing is there.
            CasfsError: the catalog cannot be read; also during iteration.
        """
        names = path.split("/") if path else []
        entry = self.index.entry(vault, names, Scope.ALL)
        if isinstance(entry, Archive):
            yield _file(entry)
            return
        if entry is None and path != BY_ID:
            raise NotFoundError(
                f"{path!r} is not a cataloged archive or directory of vault {vault}; see: casfs ls "
                f"{vault}"
            )
        if path != BY_ID:
            prefix = f"{glob.escape(path)}/" if path else ""
            yield from map(_file, self.index.find(vault, f"{prefix}*"))
        if path in ("", BY_ID):
            nameless = self.index.nameless(vault, Scope.ALL)
            yield from (_file(one) for one in nameless if not one.is_directory)

    def directories(self, vault: str, path: str) -> Iterator[tuple[str, int]]:
        """Yield path and mtime of the directories, at or below a path, that archives mark.

        An mtime is nanoseconds since 1970.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        for marked, mtime in self.index.marked_directories(vault):
            if not path or marked == path or marked.startswith(f"{path}/"):
                yield marked, mtime

    def expiries(self, vault: str, archive_ids: Sequence[str]) -> dict[str, datetime | None]:
        """Return until when the service has what it has of archives; unknown ones are left out.

        The time is None if it is unknown, or if the service has nothing of an archive.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        archives = list(self.index.by_ids(vault, archive_ids))
        found: dict[str, datetime | None] = dict.fromkeys(one.id for one in archives)
        found.update(self.jobs.expiries(archives, self.jobs.of(vault, archives)))
        return found

    def output(self, vault: str, archive_id: str) -> Output:
        """Return the output from which an archive is read now.

        Raises:
            CasfsError: as `ArchiveJobs.output`.
        """
        archive = self._archive(vault, archive_id, Scope.ALL)
        if archive is None:
            raise NotFoundError(f"archive {archive_id} of vault {vault} is not cataloged")
        return self.jobs.output(vault, archive)

    def outputs(self, vault: str, archive_ids: Sequence[str]) -> dict[str, Output]:
        """Return the outputs from which archives are read now, by archive, looked up together.

        Those that `output` refuses are left out.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        archives = list(self.index.by_ids(vault, archive_ids))
        return dict(self.jobs.outputs(vault, archives, self.jobs.of(vault, archives)))

    def output_without_jobs(self, vault: str, file: RestorableFile) -> Output | None:
        """Return the output that an archive has, whether or not a job brings it.

        It is for what is on this machine already: there is nobody to ask for a block.

        Returns:
            None if size or hash of the archive are not known.
        """
        digest = digest_of(file.tree_hash)
        if file.size is None or digest is None:
            return None
        key = output_key(self.service.origin, vault, file.archive, 0, digest, file.size)
        layout = Layout(file.size, 0, -(-file.size // BLOCK_SIZE))
        return Output.of_job(vault, "", key, layout, digest, archive=file.archive)

    def _archive(self, vault: str, archive_id: str, scope: Scope) -> Archive | None:
        entry = self.index.entry(vault, [BY_ID, to_file_name(archive_id)], scope)
        if entry is None or isinstance(entry, Archive):
            return entry
        raise CasfsError(f"archive {archive_id} of vault {vault} is a directory")


def _file(archive: Archive) -> RestorableFile:
    # Inventories of OAS have capital letters in hashes.
    digest = digest_of(archive.tree_hash)
    return RestorableFile(
        archive.id,
        archive.path or f"{BY_ID}/{to_file_name(archive.id)}",
        archive.size,
        archive.mtime,
        digest.hex() if digest else None,
        to_microseconds(archive.created),
    )
