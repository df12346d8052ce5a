"""Creates archives from the files in a directory, each with a completed retrieval job."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from casfs.emulator.engine.incoming import Incoming
from casfs.emulator.engine.records import Archive, Job
from casfs.emulator.engine.store import Store
from casfs.emulator.rules import Rules

_BATCH = 1000
"""Files in one transaction."""


@dataclass(frozen=True)
class Seeded:
    """The result of seeding: how many archives and jobs were added, and which files were empty."""

    archives: int
    jobs: int
    empty: tuple[str, ...]


def seed(store: Store, rules: Rules, vault: str, directory: Path, horizon: float) -> Seeded:
    """Create an archive from each file below `directory`, and a completed job for each.

    A file that was seeded before (same path, size and time) is not added again, nor is a job while
    its archive has one that has not expired. Empty files are skipped, because no service has
    archives of zero bytes.

    Args:
        store: gets the archives and jobs.
        rules: the fixed rules of the service.
        vault: its name; created if missing.
        directory: has the files; descriptions are paths relative to it.
        horizon: jobs that completed before this time have expired.
    """
    store.add_vault(vault, time.time())
    empty: list[str] = []
    files = _files(directory, empty)
    archive_count = job_count = 0
    while batch := list(islice(files, _BATCH)):
        with store.writing():
            for file in batch:
                added, started = _seed_file(store, rules, vault, directory, file, horizon)
                archive_count += added
                job_count += started
    store.take_inventory(vault, time.time())
    return Seeded(archive_count, job_count, tuple(empty))


def seed_inventory_of(store: Store, rules: Rules, vault: str, changed: bool, horizon: float) -> int:
    """Add a completed inventory job to a vault, unless it has one and nothing has changed.

    Returns:
        how many jobs were added, 0 or 1.
    """
    served = store.rows.execute(
        "SELECT 1 FROM jobs WHERE vault = ? AND kind = 'inventory' AND failure IS NULL"
        " AND completed >= ? LIMIT 1",
        (vault, horizon),
    )
    if not changed and served.fetchone() is not None:
        return 0
    now = time.time()
    job = Job(
        id=rules.new_id(rules.job_id_length),
        vault=vault,
        kind="inventory",
        created=now,
        completed=now,
        format="JSON",
    )
    store.jobs.add([job])
    return 1


def _files(directory: Path, empty: list[str]) -> Iterator[Path]:
    for file in sorted(directory.rglob("*")):
        if not file.is_file():
            continue
        if file.stat().st_size:
            yield file
        else:
            empty.append(str(file.relative_to(directory)))


def _seed_file(
    store: Store, rules: Rules, vault: str, directory: Path, file: Path, horizon: float
) -> tuple[bool, bool]:
    # A name that is not UTF-8 cannot be stored, and the archive is what matters.
    name = os.fsencode(file.relative_to(directory)).decode("utf-8", "replace")
    facts = file.stat()
    key = f"{name} {facts.st_size} {facts.st_mtime_ns}"
    found = store.seeded(vault, key)
    archive = found or _add(store, rules, vault, name, key, file)
    if archive.deleted is not None or store.jobs.is_served(archive.id, horizon):
        return found is None, False
    now = time.time()
    job = Job(
        id=rules.new_id(rules.job_id_length),
        vault=vault,
        kind="archive",
        created=now,
        completed=now,
        archive=archive.id,
        first=0,
        last=archive.size - 1,
        tree_hash=archive.tree_hash,
        tier="Standard",
        description=archive.description or "",
    )
    store.jobs.add([job])
    return found is None, True


def _add(store: Store, rules: Rules, vault: str, name: str, key: str, file: Path) -> Archive:
    with Incoming(store.incoming, rules.tree) as incoming:
        incoming.copy(file)
        body = incoming.received()
        archive = Archive(
            id=rules.new_id(rules.archive_id_length),
            vault=vault,
            description=name,
            size=body.size,
            created=time.time(),
            tree_hash=rules.tree.root(body.leaves),
            seed=key,
        )
        store.add_file(archive, body.leaves, body.file)
    return archive
