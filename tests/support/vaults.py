"""A catalogue with archives for tests, and a plain model of the names that it has to show."""

import base64
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from casfs.credentials import Credentials
from casfs.model import Job
from casfs.service.cas import cas
from casfs.tree.archives.entries import Archive, Scope, Subdirectory
from casfs.tree.archives.ingest import Ingest, Inventory
from casfs.tree.archives.queries import Archives
from casfs.tree.archives.readable import Readable
from casfs.tree.archives.states import JobsOfArchives
from casfs.tree.descriptions.decode import decode
from casfs.tree.descriptions.generated_names import second_name
from casfs.tree.descriptions.rules import DEFAULT, RuleSet
from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.sqlite.database import Database

DIALECT = cas("-", Credentials("AKID", "secret"), "")
EARLY, LATE = "2019-04-12T08:15:30.000Z", "2020-02-02T02:02:02.500Z"


def description(path: str) -> str:
    """Return what FastGlacier writes for a path; one that ends in `/` is a folder's."""
    encoded = base64.b64encode(path.encode()).decode()
    return f"<m><v>4</v><p>{encoded}</p><lm>20180101T000000Z</lm></m>"


def archive(
    name: str, path: str | None, created: str | None = EARLY, size: int | None = None
) -> ArchiveEntry:
    """Return an archive of an inventory: its id, and the path that its description tells.

    One that stands for a folder has one byte, others five, unless `size` is another.
    """
    if size is None:
        size = 1 if path is not None and path.endswith("/") else 5
    return ArchiveEntry(name, None if path is None else description(path), created, size, "ab" * 32)


def job(name: str, archive_id: str, vault: str = "v", **facts: object) -> Job:
    """Return a job that brings all of an archive of five bytes, done unless `facts` differ."""
    return DIALECT.job(
        vault,
        {
            "JobId": name,
            "Action": "ArchiveRetrieval",
            "StatusCode": "Succeeded",
            "ArchiveId": archive_id,
            "ArchiveSizeInBytes": 5,
            "RetrievalByteRange": "0-4",
            **facts,
        },
    )


def parse(vault: str, text: str) -> Job:
    return DIALECT.job(vault, json.loads(text))


def meet(jobs: Sequence[Job]) -> bool:
    """Tell whether jobs bring an archive whole, where none begins in another."""
    end = 0
    for one in sorted(jobs, key=lambda one: one.first_byte):
        if one.first_byte > end or one.size is None:
            return False
        end = max(end, one.first_byte + one.size)
    return end == jobs[0].archive_size


class Read:
    """An inventory that was read, with its date if it tells one."""

    def __init__(self, entries: Iterable[ArchiveEntry], date: str | None = None) -> None:
        self.facts: dict[str, Any] = {"InventoryDate": date}
        self._entries = iter(entries)

    def batches(self) -> Iterator[list[ArchiveEntry]]:
        while batch := list(itertools.islice(self._entries, 1000)):
            yield batch


class Vaults:
    """All that the catalogue is made of, over one file."""

    def __init__(self, database: Database, covers: Callable[[Sequence[Job]], bool] = meet) -> None:
        self.database = database
        self.catalog = JobTable(database)
        self.intake = Ingest(database)
        self.readable = Readable(database, parse, covers)
        self.archives = Archives(database)
        self.jobs = JobsOfArchives(database, parse)

    def take(
        self,
        job_id: str,
        entries: Sequence[ArchiveEntry],
        rules: RuleSet = DEFAULT,
        date: str | None = None,
        full: bool = False,
        vault: str = "v",
    ) -> bool:
        """Take in an inventory."""
        return self.intake.take(Inventory(vault, job_id, None, full), Read(entries, date), rules)

    def list_jobs(self, *jobs: Job, vault: str = "v") -> None:
        """Take over a listing of jobs, and what it changes; what is not listed is gone."""
        self.catalog.list_jobs(vault, jobs, 1.0)
        for job_id, _, listed in list(self.catalog.jobs(vault)):
            if not listed:
                self.catalog.remove_job(vault, job_id)
        self.readable.refresh()

    def tree(self, scope: Scope = Scope.ALL, vault: str = "v") -> dict[str, str | None]:
        """Return the id of each archive by its path, and None by that of each folder."""
        found: dict[str, str | None] = {}
        folders = [""]
        while folders:
            for entry in self.archives.entries(vault, folders.pop(), scope):
                assert entry.path is not None
                assert entry.path not in found
                found[entry.path] = entry.id if isinstance(entry, Archive) else None
                if isinstance(entry, Subdirectory):
                    folders.append(entry.path)
        return found


@contextmanager
def vaults_at(path: Path, covers: Callable[[Sequence[Job]], bool] = meet) -> Iterator[Vaults]:
    """Open the catalogue of a file, and close it when the context ends."""
    with closing(Database(path)) as database:
        yield Vaults(database, covers)


def expected_tree(
    entries: Collection[ArchiveEntry],
    readable: Collection[str] | None = None,
    rules: RuleSet = DEFAULT,
) -> dict[str, str | None]:
    """Return what `Vaults.tree` has to, for what is catalogued and what of it can be read."""
    folders: set[tuple[str, ...]] = set()
    shown: set[tuple[str, ...]] = set()
    same: defaultdict[tuple[str, ...], list[ArchiveEntry]] = defaultdict(list)
    for entry in entries:
        found = decode(entry.description, rules)
        is_directory = found.is_directory and (entry.size or 0) <= 1
        above = len(found.path) + is_directory
        prefixes = {found.path[:length] for length in range(1, above)}
        folders |= prefixes
        if readable is None or entry.id in readable:
            shown |= prefixes
        if found.path and not is_directory:
            same[found.path].append(entry)
    tree: dict[str, str | None] = {"/".join(path): None for path in shown}
    for path, ones in same.items():
        newest = max(ones, key=lambda one: (one.created is not None, one.created, one.id))
        for entry in ones:
            name = path[-1]
            if entry is not newest or path in folders:
                name = second_name(name, _date(entry), entry.id)
            if readable is None or entry.id in readable:
                tree["/".join((*path[:-1], name))] = entry.id
    return tree


def _date(entry: ArchiveEntry) -> datetime | None:
    return None if entry.created is None else datetime.fromisoformat(entry.created).astimezone(UTC)
