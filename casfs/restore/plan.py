"""What a command would request, and what is there already: pure, no I/O."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from casfs.client import Available
from casfs.ledger.request import Request, RequestState, covers
from casfs.model import JobState
from casfs.restore.items import Item
from casfs.restore.listed_jobs import Fetching, ListedJobs
from casfs.restore.prices import Load, load_of

_NOTHING = Available(frozenset(), {})


class Group(Enum):
    """What is known of something that is wanted."""

    READABLE = "readable"
    CACHED = "cached"
    RUNNING = "running"
    UNCERTAIN = "uncertain"
    """It was requested, and nobody knows yet whether the service accepted that."""
    TOO_LARGE = "too_large"
    """The service refuses it at the tier."""
    REQUESTED = "requested"
    """It is to be requested."""
    AGAIN = "again"
    """The same, but an earlier job for it failed, or its output expired, or expires too soon."""


@dataclass(slots=True)
class Sum:
    """How many there are, and their bytes.

    Attributes:
        unsized: how many of them are of unknown size.
    """

    archives: int = 0
    bytes: int = 0
    unsized: int = 0

    def add(self, size: int | None) -> None:
        """Count one."""
        self.archives += 1
        if size is None:
            self.unsized += 1
        else:
            self.bytes += size


@dataclass
class Plan:
    """What a command would request.

    Attributes:
        all: everything that is wanted.
        groups: the same by group.
        held: bytes of what is readable that are in the cache, and need not be fetched.
        gets: requests that read the outputs of what is to be requested, `again` aside.
        gets_again: of `again`.
        ready: when the last running job is done.
    """

    all: Sum = field(default_factory=Sum)
    groups: dict[Group, Sum] = field(default_factory=lambda: {group: Sum() for group in Group})
    held: int = 0
    gets: int = 0
    gets_again: int = 0
    ready: datetime | None = None

    def count(self, item: Item, group: Group) -> None:
        """Count an item of a group."""
        self.all.add(item.size)
        self.groups[group].add(item.size)

    def load(self, tier: str, again: bool) -> Load:
        """Return the jobs that are to be started.

        Args:
            tier: at which.
            again: whether `again` is among them.
        """
        sums = [self.groups[Group.REQUESTED], *([self.groups[Group.AGAIN]] if again else [])]
        unknown = any(one.unsized for one in sums)
        size = None if unknown else sum(one.bytes for one in sums)
        gets = self.gets + (self.gets_again if again else 0)
        return Load(tier, sum(one.archives for one in sums), size, gets)

    def load_again(self, tier: str) -> Load:
        """Return those of `load` for which jobs were started before."""
        again = self.groups[Group.AGAIN]
        size = None if again.unsized else again.bytes
        return Load(tier, again.archives, size, self.gets_again)

    def load_lost(self, tier: str) -> Load:
        """Return the jobs that are to be started if all that is fetched is lost once."""
        there = (self.groups[Group.CACHED], self.groups[Group.TOO_LARGE])
        unknown = self.all.unsized - sum(one.unsized for one in there)
        size = self.all.bytes - sum(one.bytes for one in there)
        count = self.all.archives - sum(one.archives for one in there)
        return Load(tier, count, None if unknown else size, load_of(tier, size).gets + count)


@dataclass(frozen=True)
class Planner:
    """Decides what must be requested.

    Attributes:
        jobs: all that the service lists.
        fetching: how fast outputs can be fetched.
        open: requests by archive whose jobs the list lacks.
        lost: `range_key` of what was requested lately, and failed or expired.
        late: what was requested, and expires before it can be fetched.
        largest: bytes beyond which the service refuses an archive at the tier.
        adopted: gets the ids of running jobs, None if nobody wants them.
        agreed: archive -> whether the user agreed already to requesting it again.
    """

    jobs: ListedJobs
    fetching: Fetching
    open: dict[str, list[Request]] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    late: "LateRequests" = field(default_factory=lambda: LateRequests())
    largest: int | None = None
    adopted: set[str] | None = field(default_factory=set)
    agreed: Callable[[str], bool] = lambda _: False

    def group(
        self, item: Item, archive_size: int | None, available: Available, plan: Plan
    ) -> Group:
        """Return the group of an item, and count it.

        Args:
            item: what is wanted.
            archive_size: bytes of its archive, None if unknown.
            available: what there is of its archive, and of others.
            plan: counts it.
        """
        if item.archive in available.cached:
            found = Group.CACHED
        else:
            found = self._group(item, archive_size, available, plan)
        plan.count(item, found)
        rest = available.joined.get(item.archive)
        if found is Group.READABLE and rest is not None and item.whole and item.size is not None:
            plan.held += item.size - rest.bytes
        gets = load_of("", item.size).gets
        if found is Group.REQUESTED:
            plan.gets += gets
        elif found is Group.AGAIN:
            plan.gets_again += gets
        return found

    def group_of_jobs(self, item: Item, plan: Plan) -> Group | None:
        """Return the group of an item that a job brings, whatever is cached, and count it.

        Returns:
            None if no job does: the cache may have it, or it must be requested.
        """
        found = self._of_jobs(item, _NOTHING, plan)
        if found is not None:
            plan.count(item, found)
        return found

    def blocker(self, item: Item) -> int | None:
        """Return the number of the request without an answer that may bring an item."""
        for request in self.open.get(item.archive, ()):
            if request.covers(item.first, item.last, item.size):
                return request.number
        return None

    def _adopt(self, job: str) -> None:
        if self.adopted is not None:
            self.adopted.add(job)

    def _was_lost(self, item: Item) -> bool:
        key = range_key(item.archive, item.first, item.last) if self.lost else 0
        was_lost = key in self.lost or bool(self.late.covering(item))
        return was_lost and not self.agreed(item.archive)

    def _group(
        self, item: Item, archive_size: int | None, available: Available, plan: Plan
    ) -> Group:
        found = self._of_jobs(item, available, plan)
        if found is not None:
            return found
        if self._was_lost(item):
            return Group.AGAIN
        if self.largest is not None and (archive_size or 0) > self.largest:
            return Group.TOO_LARGE
        return Group.REQUESTED

    def _of_jobs(self, item: Item, available: Available, plan: Plan) -> Group | None:
        job = self.jobs.adoptable(item.archive, item.first, item.last, item.size, self.fetching)
        if job is not None and job.state is JobState.SUCCEEDED:
            return Group.READABLE
        if is_joined(item, available, self.fetching):
            return Group.READABLE
        if job is not None:
            if job.ready is not None and (plan.ready is None or plan.ready < job.ready):
                plan.ready = job.ready
            self._adopt(job.id)
            return Group.RUNNING
        for request in self.open.get(item.archive, ()):
            if request.covers(item.first, item.last, item.size):
                uncertain = request.state is RequestState.UNCERTAIN
                if request.job is not None:
                    self._adopt(request.job)
                return Group.UNCERTAIN if uncertain else Group.RUNNING
        return None


def is_joined(item: Item, available: Available, fetching: Fetching) -> bool:
    """Return whether jobs bring what the cache lacks of an item's archive, for long enough."""
    rest = available.joined.get(item.archive)
    if rest is None:
        return False
    size = rest.bytes if item.size is None else min(rest.bytes, item.size)
    return fetching.suffices(rest.expires, size)


def range_key(archive: str, first: int, last: int) -> int:
    """Return a number for a range of an archive: a million of them take little memory."""
    return hash((archive, first, last))


class LateRequests:
    """Requests whose outputs expire before they can be fetched, by archive.

    Args:
        requests: all of them.
    """

    def __init__(self, requests: Iterable[Request] = ()) -> None:
        self._by_archive: dict[str, list[tuple[int, int, int]]] = {}
        for one in requests:
            known = self._by_archive.setdefault(one.archive, [])
            known.append((one.number, one.first, one.last))

    def covering(self, item: Item) -> list[int]:
        """Return the numbers of those that cover an item: a new request would replace them."""
        return [
            number
            for number, first, last in self._by_archive.get(item.archive, ())
            if covers((first, last), item.first, item.last, item.size)
        ]


def open_by_archive(requests: Iterable[Request]) -> dict[str, list[Request]]:
    """Return requests by archive."""
    found: dict[str, list[Request]] = {}
    for request in requests:
        found.setdefault(request.archive, []).append(request)
    return found
