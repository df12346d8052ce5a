"""Restores one archive: fetched, on disk as it was verified, named, recorded."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from casfs.client import Client
from casfs.errors import CasfsError, DestinationError, ExpiredError
from casfs.ledger.request import to_time
from casfs.model import Output
from casfs.restore.destination import placing
from casfs.restore.destination.existing_files import Overwrite
from casfs.restore.destination.file_hashes import FileHashes, hash_file
from casfs.restore.destination.manifest import (
    ALGORITHMS,
    FAILED,
    UNVERIFIED,
    VERIFIED,
    ManifestLine,
    mtime_text,
    now_text,
)
from casfs.restore.destination.opened_tree import OpenedDirectory, OpenedTree, split
from casfs.restore.destination.recorder import Recorded, Recorder
from casfs.restore.work_items import Stage, WorkItem
from casfs.restore.worklist import Worklist

_CURRENT = 10.0
"""Seconds for which an output that was looked up ahead is used."""

if TYPE_CHECKING:
    from casfs.blocks.output_files import OutputFiles


@dataclass(frozen=True, kw_only=True)
class ArchiveRestorer:
    """Restores archives of one vault into one directory; called by several threads.

    Attributes:
        client: the account.
        vault: name of the vault.
        files: fetches outputs into files.
        tree: the directory.
        worklist: has the archives.
        recorder: records what became of them.
        algorithm: the service's tree hash, by its name in the manifest.
        mode: permissions of files.
        overwrite: which files may be replaced.
        told: is called with each line that was recorded, by one thread at a time.
        delivered: is called with the jobs whose output has been restored.
        gone: is called with a job whose output has expired; others of the archive may last.
    """

    client: Client
    vault: str
    files: "OutputFiles"
    tree: OpenedTree
    worklist: Worklist
    recorder: Recorder
    algorithm: str
    mode: int
    overwrite: Overwrite
    told: Callable[[ManifestLine], None]
    delivered: Callable[[tuple[str, ...]], None]
    gone: Callable[[str], None]
    _jobs: dict[int, tuple[str, ...]] = field(default_factory=dict, init=False)
    _outputs: dict[int, tuple[float, Output]] = field(default_factory=dict, init=False)
    _lost: dict[int, tuple[str, ...]] = field(default_factory=dict, init=False)

    def prepare(self, items: Sequence[WorkItem]) -> None:
        """Look up together what is fetched next.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        outputs = self.client.restorable.outputs(self.vault, [item.archive for item in items])
        now = time.monotonic()
        # Those that another lane had taken before they were looked up were never used.
        for number, (looked_up, _) in list(self._outputs.items()):
            if now - looked_up > _CURRENT:
                self._outputs.pop(number, None)
        for item in items:
            if item.archive in outputs:
                self._outputs[item.number] = now, outputs[item.archive]

    def restore(self, item: WorkItem, note: Callable[[int], None]) -> None:
        """Fetch an archive, and let it be recorded.

        Raises:
            CasfsError: it cannot be restored.
        """
        looked_up, output = self._outputs.pop(item.number, (0.0, None))
        is_lost = output is not None and jobs_of(output) == self._lost.get(item.number)
        if is_lost or time.monotonic() - looked_up > _CURRENT:
            # Its jobs may have expired meanwhile, and others may bring it.
            output = None
        if item.here:
            output = self.client.restorable.output_without_jobs(self.vault, item.file)
            if output is not None and self._adopt(item, output):
                return
        if output is None:
            output = self.client.restorable.output(self.vault, item.archive)
        self._jobs[item.number] = jobs_of(output)
        self._restore_from(item, output, note)
        del self._jobs[item.number]

    def _restore_from(self, item: WorkItem, output: Output, note: Callable[[int], None]) -> None:
        """Fetch an archive from an output, as `restore`."""
        names = split(item.path)
        directory = self.tree.directory(names[:-1], make=True)
        if directory is None:
            raise DestinationError(f"the directory of {item.path} is gone")
        place = self.files.place(directory.descriptor, output, item.path)
        filling = self.files.begin(output, place)

        def finish(file: int) -> None:
            try:
                placing.set_facts(file, item.mtime, self.mode)
            except OSError as error:
                raise self.tree.error(item.path, error) from error

        filled = filling.run(note, finish)
        if not placing.is_same_file(directory, place.name, filling.descriptor):
            raise DestinationError(
                f"{place.name}, in which {item.path} was written, has been replaced; nothing is "
                "renamed. Find out who did that, and run the same command again"
            )
        times = _times(item)
        if filled.fetched:
            times["fetched"] = now_text()
        replaces = item.replace and placing.may_replace(
            directory, item.path, item.mtime, self.overwrite
        )
        placing.place(self.tree, directory, place.name, item.path, replaces)
        tree_hash = filled.tree_hash or output.tree_hash
        line = ManifestLine(
            path=item.path,
            archive=item.archive,
            state=VERIFIED if filled.verified == "yes" else UNVERIFIED,
            size=output.layout.size,
            mtime=mtime_text(item.mtime),
            tree_hash=tree_hash.hex() if tree_hash else None,
            algorithm=self.algorithm if tree_hash else None,
            sha256=filled.sha256,
            job=" ".join(jobs_of(output)) or None,
            times=times | {"verified": now_text()},
            fetched=filled.fetched,
            cached=filled.copied,
        )

        def recorded() -> None:
            place.end()
            self.worklist.set_stage(item.number, Stage.RESTORED, line.size)
            self.delivered(jobs_of(output))
            self.told(line)

        self.recorder.add(Recorded(line, directory, recorded))

    def _adopt(self, item: WorkItem, output: Output) -> bool:
        """Record a file that has its name since an earlier run, which did not come to record it.

        Returns:
            False if there is none.

        Raises:
            ExpiredError: it is not the archive by now.
        """
        names = split(item.path)
        directory = self.tree.directory(names[:-1], make=False)
        if directory is None:
            return False
        place = self.files.place(directory.descriptor, output, item.path)
        if not place.has_leaves():
            return False
        if place.is_named(names[-1]):
            try:
                place.remove_first_name()
            except OSError as error:
                raise self.tree.error(item.path, error) from error
        elif place.exists():
            return False
        hashes = self._hashes(item, directory, names[-1])
        if hashes is None or hashes.tree_hash != item.tree_hash:
            place.end()
            raise ExpiredError(f"{item.path} is not what was restored; it is restored again")
        line = ManifestLine(
            path=item.path,
            archive=item.archive,
            state=VERIFIED,
            size=hashes.size,
            mtime=mtime_text(item.mtime),
            tree_hash=hashes.tree_hash,
            algorithm=self.algorithm,
            sha256=hashes.sha256,
            times={"verified": now_text()},
        )

        def recorded() -> None:
            place.end()
            self.worklist.set_stage(item.number, Stage.RESTORED, line.size)
            self.told(line)

        self.recorder.add(Recorded(line, directory, recorded))
        return True

    def _hashes(self, item: WorkItem, directory: OpenedDirectory, name: str) -> FileHashes | None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.open(name, flags, dir_fd=directory.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.tree.error(item.path, error) from error
        try:
            return hash_file(file, ALGORITHMS[self.algorithm])
        except OSError as error:
            raise self.tree.error(item.path, error) from error
        finally:
            os.close(file)

    def expired(self, item: WorkItem, error: ExpiredError) -> bool:
        """Note that the output of an archive has expired before all of it was fetched.

        Returns:
            False if the service still lists the jobs of which it had no output before: asking once
            more would never end.
        """
        jobs = self._jobs.get(item.number, ())
        if jobs and self._lost.get(item.number) == jobs:
            return False
        self._lost[item.number] = self._jobs.pop(item.number, ())
        self.worklist.note_lost(item.archive)
        if error.job is not None:
            self.gone(error.job)
        return True

    def failed(self, item: WorkItem, error: CasfsError) -> None:
        """Record that an archive cannot be restored.

        Raises:
            CasfsError: that cannot be recorded either.
        """
        jobs = self._jobs.pop(item.number, ())
        self.record(item, FAILED, str(error), Stage.FAILED, jobs)

    def record(
        self,
        item: WorkItem,
        state: str,
        reason: str,
        stage: Stage,
        jobs: tuple[str, ...] = (),
    ) -> None:
        """Record what became of an archive that was not written.

        Raises:
            CasfsError: that cannot be recorded.
        """
        line = self._line(item, state, reason, jobs)

        def recorded() -> None:
            self.worklist.set_stage(item.number, stage)
            self.told(line)

        self.recorder.add(Recorded(line, None, recorded))

    def tell(self, item: WorkItem, state: str, reason: str) -> None:
        """Tell of an archive of which the manifest says enough already."""
        self.told(self._line(item, state, reason, ()))

    def _line(self, item: WorkItem, state: str, reason: str, jobs: tuple[str, ...]) -> ManifestLine:
        return ManifestLine(
            path=item.path,
            archive=item.archive,
            state=state,
            size=item.size,
            mtime=mtime_text(item.mtime),
            tree_hash=item.tree_hash,
            algorithm=self.algorithm if item.tree_hash else None,
            job=" ".join(jobs) or None,
            reason=reason,
            times=_times(item) | {state: now_text()},
        )


def jobs_of(output: Output) -> tuple[str, ...]:
    """Return the ids of the jobs that bring an output."""
    return tuple(dict.fromkeys(source.job_id for source in output.sources if source.job_id))


def _times(item: WorkItem) -> dict[str, str]:
    times = {"requested": item.requested, "readable": item.readable}
    return {
        name: to_time(at).astimezone(UTC).isoformat(timespec="milliseconds")
        for name, at in times.items()
        if at is not None
    }
