"""Archives made of the files in a folder, each with a retrieval job that is complete."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from casfs.emulator.engine.incoming import Incoming
from casfs.emulator.engine.records import Archive, Job
from casfs.emulator.engine.rules import Rules
from casfs.emulator.engine.store import Store

_BATCH = 1000
"""Files in one transaction."""


@dataclass(frozen=True)
class Seeded:
    """What seeding has done: how many archives and jobs are new, and which files were left out."""

    archives: int
    jobs: int
    empty: tuple[str, ...]


def seed(store: Store, rules: Rules, vault: str, folder: Path, horizon: float) -> Seeded:
    """Make an archive of each file below `folder`, and a complete job for each.

    A file that was seeded before (same path, size and time) is not added again, nor is a job while
    one for its archive can still be read. Empty files are left out: no service has archives of
    zero bytes.

    Args:
        store: where to.
        rules: what the service fixes.
        vault: its name; made when it is not there.
        folder: where from; descriptions are paths relative to it.
        horizon: jobs complete before this time have expired.
    """
    store.add_vault(vault, time.time())
    empty: list[str] = []
    files = _files(folder, empty)
    archive_count = job_count = 0
    while batch := list(islice(files, _BATCH)):
        with store.writing():
            for file in batch:
                added, started = _seed_file(store, rules, vault, folder, file, horizon)
                archive_count += added
                job_count += started
    store.take_inventory(vault, time.time())
    return Seeded(archive_count, job_count, tuple(empty))


def seed_inventory_of(store: Store, rules: Rules, vault: str, changed: bool, horizon: float) -> int:
    """Make a complete inventory job of a vault, unless one can be read and nothing has changed.

    Returns:
        how many jobs were made, 0 or 1.
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
    store.add_jobs([job])
    return 1


def _files(folder: Path, empty: list[str]) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        if file.stat().st_size:
            yield file
        else:
            empty.append(str(file.relative_to(folder)))


def _seed_file(
    store: Store, rules: Rules, vault: str, folder: Path, file: Path, horizon: float
) -> tuple[bool, bool]:
    # A name of other bytes than UTF-8 could not be stored; the archive is what matters.
    name = os.fsencode(file.relative_to(folder)).decode("utf-8", "replace")
    facts = file.stat()
    key = f"{name} {facts.st_size} {facts.st_mtime_ns}"
    found = store.seeded(vault, key)
    archive = found or _add(store, rules, vault, name, key, file)
    if archive.deleted is not None or store.is_served(archive.id, horizon):
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
    store.add_jobs([job])
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
        store.keep(archive, body.leaves, body.file)
    return archive
