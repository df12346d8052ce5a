"""The times of directories follow their archives, whatever happens to these."""

import random
import sqlite3
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from casfs.tree.archives.entries import Archive, Scope, Subdirectory
from casfs.tree.archives.ingest import Inventory
from casfs.tree.descriptions.rules import DEFAULT
from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.sqlite import schema
from casfs.tree.sqlite.values import hash_of
from tests.support import description_writers as writers
from tests.support.vaults import Read, Vaults, job, vaults_at

CREATED = "2019-04-12T08:15:30.000Z"
FAR = 250_000_000_000
"""Seconds; in nanoseconds, more than SQLite's integers hold."""


def wrong(vaults: Vaults, path: str = "") -> tuple[int | None, list[str]]:
    """The newest time below a directory, and the directories that have another."""
    newest: int | None = None
    found: list[str] = []
    for entry in vaults.archives.entries("v", path, Scope.READABLE):
        if isinstance(entry, Subdirectory):
            time, below = wrong(vaults, entry.path)
            found += below
            # One of which a marker tells alone has the marker's time.
            if time is not None and time != entry.newest:
                found.append(f"{entry.path}: {entry.newest}, not {time}")
            time = entry.newest
        else:
            time = entry.mtime
        newest = max(newest or 0, time or 0)
    return newest, found


def take(vaults: Vaults, number: int, texts: dict[str, str | None]) -> None:
    entries = [ArchiveEntry(name, text, CREATED, 5, "ab" * 32) for name, text in texts.items()]
    vaults.intake.take(Inventory("v", f"i{number}"), Read(entries), DEFAULT)


@pytest.mark.parametrize("seed", range(3))
def test_times_follow_archives_that_come_and_go(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        texts: dict[str, str | None] = {}
        for turn in range(12):
            for _ in range(10):
                name = f"{dice.randrange(60):04}"
                folders = "/".join(dice.choices("abc", k=dice.randrange(4)))
                time = dice.choice((FAR, FAR // 20, *dice.choices(range(10**9), k=8)))
                text = writers.mt2(f"{folders}/{name}".lstrip("/"), time)
                texts[name] = dice.choice((text, None))
            take(vaults, turn, texts)
            chosen = dice.sample(sorted(texts), dice.randrange(len(texts)))
            vaults.list_jobs(*(job(f"j{name}", name) for name in chosen))
            vaults.readable.refresh()
            newest, found = wrong(vaults)
            assert found == []
            named, nameless = vaults.archives.newest("v")
            assert named == newest
            times = [one.mtime for one in vaults.archives.readable_nameless("v")]
            assert nameless == max(times, default=None)
            assert vaults.database.rows("SELECT * FROM aged") == []


def test_an_archive_without_a_date_has_the_time_of_its_first_job(tmp_path: Path) -> None:
    early, late = "2020-01-01T00:00:00.000Z", "2021-01-01T00:00:00.000Z"

    def time() -> int:
        vaults.readable.refresh()
        (found,) = vaults.archives.readable_nameless("v")
        assert isinstance(found, Archive)
        assert vaults.archives.newest("v") == (None, found.mtime)
        return found.mtime

    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.list_jobs(
            job("one", "a", CompletionDate=early), job("two", "a", CompletionDate=late)
        )
        assert time() == 1577836800 * 10**9
        # rsync would copy it again.
        vaults.list_jobs(job("two", "a", CompletionDate=late))
        assert time() == 1577836800 * 10**9
        vaults.intake.put_description("v", "a", "", DEFAULT)
        assert time() == 1577836800 * 10**9
        take(vaults, 1, {"a": None})
        assert time() == 1555056930 * 10**9


def test_a_catalog_of_the_version_before_gets_times(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.execute("PRAGMA recursive_triggers = ON")
        for statement in chain(*schema._STEPS[:5]):
            older.execute(statement)
        older.execute("PRAGMA user_version = 5")
        older.execute("INSERT INTO listings VALUES ('vaults/v', 7, 2000.5)")
        older.execute(
            "INSERT INTO jobs (vault, id, description, generation, mtime, state, hash)"
            " VALUES ('v', 'j', '{}', 7, 5000000, 'x', ?), ('v', 'old', '{}', 6, 6000000, 'x', 1)",
            (hash_of("v", "undated"),),
        )
        older.execute(
            "INSERT INTO folders (number, parent, name)"
            " VALUES (1, 0, 'v'), (2, 1, 'a'), (3, 2, 'b')"
        )
        insert = (
            "INSERT INTO archives (hash, vault, id, created, folder, name, rule, flags, listed)"
            " VALUES (?, 1, ?, ?, ?, ?, '', 0, 1)"
        )
        none = -(1 << 62)
        older.executemany(
            insert,
            [
                (hash_of("v", "x"), "x", 3, 3, "x"),
                (hash_of("v", "y"), "y", 9, 3, "y"),
                (hash_of("v", "undated"), "undated", none, None, None),
            ],
        )
        older.execute("UPDATE archives SET readable = 1 WHERE id <> 'y'")
    with vaults_at(path) as vaults:
        entries = list(vaults.archives.entries("v", "a", Scope.READABLE))
        assert entries == [Subdirectory("a/b", 3000)]
        assert vaults.archives.newest("v") == (3000, 5_000_000_000)
        assert vaults.catalog.newest_job("v") == 5_000_000_000
        assert vaults.catalog.begun_at() > 10**18
        # A mount of that version may still be running, and go on to list jobs.
        with closing(sqlite3.connect(path, isolation_level=None)) as older:
            older.execute("INSERT OR REPLACE INTO listings VALUES (?, ?, ?)", ("vaults/v", 8, 3.0))
            older.execute("INSERT INTO vaults VALUES ('w', '{}', 1)")
        assert vaults.catalog.jobs_listed_at("v") == 3.0
        assert vaults.catalog.newest_job("v") == 5_000_000_000


def test_a_job_of_the_year_9999_has_its_time(tmp_path: Path) -> None:
    """Its nanoseconds since 1970 are more than a column of SQLite holds."""
    time = 253402300799 * 10**9
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.catalog.put_newest_job("v", time)
        assert vaults.catalog.newest_job("v") == time
