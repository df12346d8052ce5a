"""Jobs that bring ranges of one archive, and the service that has them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from casfs.model import Job, JobKind, JobState, Output, output_of
from casfs.tree.coverage import joined_output
from casfs.treehash import Digest
from tests.support.archive import MIB, Archive, InArchive, root
from tests.support.server import Answer, Request, Wire
from tests.support.service import refusal

ORIGIN = ("cas", "https://service.example", "-")
COMPLETED = datetime(2026, 1, 1, tzinfo=UTC)


def range_job(name: str, first: int, stop: int, archive_size: int, **changes: Any) -> Job:
    """A job that brought the bytes `first` to `stop - 1` of an archive."""
    facts = {
        "vault": "v",
        "id": name,
        "kind": JobKind.ARCHIVE,
        "state": JobState.SUCCEEDED,
        "created": COMPLETED,
        "completed": COMPLETED,
        "description": "",
        "archive_id": "archive",
        "archive_size": archive_size,
        "first_byte": first,
        "size": stop - first,
        "tree_hash": None,
        "raw": "{}",
    }
    return Job(**{**facts, **changes})


@dataclass
class RangeJobs:
    """An archive, jobs that brought ranges of it, and the server of their outputs.

    Attributes:
        data: the bytes of the archive.
        ranges: first and last block of each job, by its id; the latter is not in it.
        served: how each job's output is served; a test may change it.
    """

    data: bytes
    ranges: dict[str, tuple[int, int]]
    served: dict[str, Callable[[Request, Wire], Answer | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.ranges:
            self.serve(name)

    def serve(self, name: str, data: bytes | None = None, **facts: Any) -> Archive:
        """Serve a job's output from this archive, by default the right one."""
        first, stop = self.ranges[name]
        leaves = -(-len(self.data) // MIB)
        own = (data or self.data)[first * MIB : stop * MIB]
        made = InArchive(own, first=first, leaves=leaves, **facts)
        self.served[name] = made
        return made

    def expire(self, name: str) -> None:
        """Let the service forget a job."""
        self.served[name] = lambda request, wire: refusal(404, "ResourceNotFoundException")

    def __call__(self, request: Request, wire: Wire) -> Answer | None:
        name = request.path.removesuffix("/output").rpartition("/")[2]
        return self.served[name](request, wire)

    def job(self, name: str) -> Job:
        first, stop = self.ranges[name]
        size = len(self.data)
        return range_job(name, first * MIB, min(stop * MIB, size), size)

    def own(self, name: str) -> Output:
        """A job's output by itself."""
        job = self.job(name)
        assert job.size is not None
        return output_of(job, job.size, ORIGIN)

    def joined(self, tree_hash: Digest | None = None) -> Output:
        """The archive; with the right tree hash unless another is given."""
        jobs = [self.job(name) for name in self.ranges]
        found = joined_output(jobs, len(self.data), tree_hash or root(self.data), ORIGIN)
        assert found is not None
        return found
