"""Jobs: requested, running, complete, expired. Only the stored times decide which."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from casfs.emulator.engine import inventory, ranges
from casfs.emulator.engine.admission import Admission
from casfs.emulator.engine.errors import (
    BadRangeError,
    BadValueError,
    NoArchiveError,
    NoJobError,
    NoOutputError,
    NotReadyError,
)
from casfs.emulator.engine.records import Archive, Job, Kind
from casfs.emulator.engine.selection import Selection
from casfs.emulator.engine.store import Store
from casfs.emulator.settings import Settings
from casfs.treehash import LEAF_SIZE


@dataclass(frozen=True)
class JobView:
    """A job at one moment, with its archive."""

    job: Job
    archive: Archive | None
    is_complete: bool

    @property
    def is_succeeded(self) -> bool:
        """Whether it has completed without a failure."""
        return self.is_complete and self.job.failure is None


class Jobs:
    """The operations on jobs; their vault must exist.

    Args:
        store: holds the jobs.
        settings: how long outputs last, the rules, and the open questions.
        clock: returns Unix seconds.
        form: formats inventories.
        admission: decides what is accepted, and how long it runs.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], float],
        form: inventory.Form,
        admission: Admission,
    ) -> None:
        self._admission = admission
        self._form = form
        self._store = store
        self._settings = settings
        self._clock = clock

    @property
    def horizon(self) -> float:
        """Jobs that completed before this time have expired."""
        return self._clock() - self._settings.output_hours * 3600

    def start(
        self, vault: str, kind: Kind, wanted: Job, byte_range: tuple[int, int | None] | None
    ) -> Job:
        """Start a job and return it.

        A job for a missing archive is refused, or accepted and fails, depending on the rules of
        the service.

        Args:
            vault: its name.
            kind: what the job does.
            wanted: the request; id, times and outcome are filled in here.
            byte_range: first and last byte of the archive; None = all, a last of None = to the end.

        Raises:
            BadValueError: the range is not aligned to MiB or is outside the archive, or the archive
                is too large for Expedited.
            NoArchiveError: there is no such archive.
            CapacityError, PolicyError: the account allows no more for now.
        """
        now, rules = self._clock(), self._settings.rules
        job = replace(
            wanted,
            id=rules.new_id(rules.job_id_length),
            vault=vault,
            kind=kind,
            created=now,
        )
        if kind == "pull":
            job = replace(job, failure="There is no object store to copy from.")
        if kind in {"archive", "push", "select"}:
            job = self._about_archive(job, byte_range)
        if kind in {"push", "select"} and job.failure is None:
            job = replace(job, failure="There is no object store to copy to.")
        archive = self._store.archive(job.archive) if job.archive else None
        completed = now + self._admission.seconds(job, archive)
        failure = job.failure or self._admission.failure()
        job = replace(job, completed=completed, failure=failure)
        self._store.jobs.add([job])
        return job

    def _about_archive(self, job: Job, byte_range: tuple[int, int | None] | None) -> Job:
        archive, rules = self._store.archive(job.archive or ""), self._settings.rules
        if archive is None or archive.deleted is not None or archive.vault != job.vault:
            missing = NoArchiveError(job.archive)
            if rules.refuses_missing_archive:
                raise missing
            return replace(job, failure=str(missing))
        job = self._with_range(job, archive, byte_range)
        self._admission.check(job, archive)
        return job

    def _with_range(
        self, job: Job, archive: Archive, byte_range: tuple[int, int | None] | None
    ) -> Job:
        """Return the job with the `first`, `last` and `tree_hash` of what it retrieves.

        Raises:
            BadValueError: the range is not aligned to MiB, is empty or is outside the archive.
        """
        first, last = byte_range or (0, None)
        if last is None:
            last = archive.size - 1
        text = f"{first}-{last}"
        if first > last or last >= archive.size:
            raise BadValueError(f"Invalid range of an archive of {archive.size} bytes: {text}")
        if not ranges.is_aligned(first, last, archive.size):
            raise BadValueError(f"Range is not aligned to {LEAF_SIZE} bytes: {text}")
        tree, leaves = self._settings.rules.tree, self._store.leaves(archive.id)
        tree_hash = ranges.subtree_hash(tree, leaves, first, last, archive.size)
        return replace(job, first=first, last=last, tree_hash=tree_hash)

    def view(self, vault: str, job_id: str) -> JobView:
        """Return a job.

        Raises:
            NoJobError: unknown, or expired (unless the question `expired_job` keeps those).
        """
        self._write_inventories(vault)
        job = self._store.jobs.get(vault, job_id)
        gone = job is not None and job.completed < self.horizon
        if job is None or (gone and self._settings.questions.expired_job == "gone"):
            raise NoJobError(job_id)
        return self._viewed(job)

    def page(
        self,
        vault: str,
        marker: str,
        limit: int,
        done: bool | None,
        failed: bool | None,
    ) -> tuple[list[JobView], str | None]:
        """Return a page of jobs by id, and the marker of the next page (None = this is the last).

        Args:
            vault: its name.
            marker: where to start; empty = at the first job.
            limit: the maximum number of jobs to return.
            done: only jobs that are (not) complete; None = both.
            failed: only jobs that have (not) failed; None = both.
        """
        self._write_inventories(vault)
        now, inclusive = self._clock(), self._settings.questions.marker == "inclusive"
        shown = now - self._settings.listing_lag
        found = self._store.jobs.page(
            vault, now, self.horizon, shown, marker, inclusive, limit + 1, done, failed
        )
        following = None
        if len(found) > limit:
            following = found[limit if inclusive else limit - 1].id
        return [self._viewed(job) for job in found[:limit]], following

    def to_notify(self, since: float, until: float) -> list[JobView]:
        """Return the jobs that completed after `since`, and not after `until`, with a URL."""
        found = self._store.jobs.to_notify(since, until)
        for vault in {job.vault for job in found}:
            self._write_inventories(vault)
        return [self._viewed(self._store.jobs.get(job.vault, job.id) or job) for job in found]

    def _viewed(self, job: Job) -> JobView:
        archive = self._store.archive(job.archive) if job.archive else None
        if archive is not None and archive.vault != job.vault:
            archive = None
        return JobView(job, archive, job.completed <= self._clock())

    def _write_inventories(self, vault: str) -> None:
        for job in self._store.jobs.inventories_to_write(vault, self._clock()):
            inclusive = self._settings.questions.marker == "inclusive"
            inventory.write(self._store, job, self._form, self._settings.rules, inclusive)

    def select(self, vault: str, job_id: str, range_header: str | None) -> Selection:
        """Return the bytes that answer a request for a job's output.

        Raises:
            NoJobError: there is no such job, or it has expired.
            NotReadyError: it is running.
            NoOutputError: it has failed.
            BadValueError: jobs of its kind have no output.
            BadRangeError: the range is malformed, or not aligned as the settings require.
            PastEndError: the range starts past the end.
        """
        view = self.view(vault, job_id)
        job = view.job
        if job.completed < self.horizon:
            raise NoJobError(job_id)
        if job.kind not in {"archive", "inventory"}:
            raise BadValueError(f"A job of this kind has no output: {job_id}")
        if not view.is_succeeded:
            refused = NoOutputError if view.is_complete else NotReadyError
            raise refused(f"The job is not currently available for download: {job_id}")
        whole = self._inventory_output(job) if job.kind == "inventory" else self._output(view)
        questions = self._settings.questions
        if range_header is None:
            is_part = job.kind == "archive" and questions.output_without_range == "206"
            return replace(whole, is_part=is_part)
        if questions.malformed_range == "ignored" and not ranges.is_wellformed(range_header):
            return whole
        first, last = ranges.requested(range_header, whole.total)
        if questions.range_alignment == "strict":
            ranges.check_strictly(range_header, whole.total)
        if questions.range_alignment == "mib" and not ranges.is_aligned(first, last, whole.total):
            raise BadRangeError(f"Range is not aligned to {LEAF_SIZE} bytes: {range_header}")
        if questions.full_range == "200" and (first, last) == (0, whole.total - 1):
            return whole
        if job.kind == "archive":
            part_hash = self._range_hash(view, first, last)
        else:
            part_hash = self._inventory_hash(whole.file, first, last)
        return replace(whole, first=first, last=last, is_part=True, tree_hash=part_hash)

    def _output(self, view: JobView) -> Selection:
        job = view.job
        if job.archive is None or job.first is None or job.last is None:
            raise NotReadyError(f"The job is not currently available for download: {job.id}")
        size = job.last - job.first + 1
        return Selection(
            kind="archive",
            file=self._store.archives / job.archive,
            base=job.first,
            total=size,
            first=0,
            last=size - 1,
            is_part=False,
            tree_hash=job.tree_hash,
            whole_hash=job.tree_hash,
            description=view.archive.description if view.archive else None,
        )

    def _range_hash(self, view: JobView, first: int, last: int) -> bytes | None:
        """Return the hash of a range that is a subtree, in a job that is a subtree itself.

        The documents disagree whether both must be subtrees, only the bytes selected in the end,
        or only the job.
        """
        job, archive, questions = view.job, view.archive, self._settings.questions
        if archive is None or job.first is None:
            return None
        if job.tree_hash is None and questions.hash_on_unaligned_job == "absent":
            return None
        first, last = job.first + first, job.first + last
        any_aligned = questions.hash_on_unaligned_range == "present"
        has_hash = ranges.is_aligned if any_aligned else ranges.is_subtree
        if not has_hash(first, last, archive.size):
            return None
        tree, leaves = self._settings.rules.tree, self._store.leaves(archive.id)
        return ranges.root_of(tree, leaves, first, last)

    def _inventory_output(self, job: Job) -> Selection:
        file = self._store.inventories / job.id
        total = job.output_size or 0
        tree_hash = self._inventory_hash(file, 0, total - 1)
        return Selection(
            kind=job.format or "JSON",
            file=file,
            base=0,
            total=total,
            first=0,
            last=total - 1,
            is_part=False,
            tree_hash=tree_hash,
            whole_hash=tree_hash,
        )

    def _inventory_hash(self, file: Path, first: int, last: int) -> bytes | None:
        """Return the hash of a range of an inventory; whether it has one is an open question."""
        if self._settings.questions.hash_on_inventory == "absent":
            return None
        data = file.read_bytes()
        tree = self._settings.rules.tree
        return ranges.subtree_hash(tree, tree.leaves(data), first, last, len(data))
