"""The file outlives processes, is shared by them, and is begun anew when it is damaged."""

import fcntl
import itertools
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from casfs.errors import CasfsError, CatalogError, ConfigError
from casfs.tree.archives.entries import Scope
from casfs.tree.sqlite import connection, schema
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import hash_of
from tests.support.catalogs import damage_rows
from tests.support.vaults import archive, expected_tree, job, vaults_at

ENTRIES = [archive(f"{n:04}", f"dir {n % 3}/{n % 900}.txt") for n in range(3000)]


def test_a_catalog_that_another_process_writes_is_not_said_to_need_space(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "_BUSY_SECONDS", 0.05)
    path = tmp_path / "c.sqlite"
    with (
        closing(Database(path)) as database,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(CatalogError, match=r"another process.*try again later") as raised,
            database.transaction() as writing,
        ):
            writing.execute("DELETE FROM listings")
        other.execute("ROLLBACK")
    assert "space" not in str(raised.value)


def test_it_is_all_there_after_a_restart(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", ENTRIES)
        vaults.list_jobs(job("j", "0007"))
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        assert vaults.intake.has_taken("v", "i")
        assert vaults.tree() == expected_tree(ENTRIES)
        assert vaults.tree(Scope.READABLE) == expected_tree(ENTRIES, {"0007"})


def test_a_file_of_the_version_before_is_taken_over(tmp_path):
    """All in it stays; an inventory is taken in once more, for what was not noted of it then."""
    path = tmp_path / "c.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        for statement in itertools.chain(*schema._STEPS[:2]):
            older.execute(statement)
        older.execute("PRAGMA user_version = 2")
        older.execute(
            "INSERT INTO folders (number, parent, name) VALUES (1, 0, 'v'), (2, 1, 'dir')"
        )
        older.execute("INSERT INTO folders (number, parent, name) VALUES (3, 1, 'of a name')")
        older.execute("INSERT INTO inventories VALUES (1, 1, 'i', 5, 1, 1)")
        older.execute(
            "INSERT INTO archives (hash, vault, id, description, created, folder, name, rule,"
            " flags, listed) VALUES (?, 1, 'a', 'dir/a.txt', 5, 2, 'a.txt', 'plain', 0, 1)",
            (hash_of("v", "a"),),
        )
    with vaults_at(path) as vaults:
        assert vaults.archives.completeness("v", 1, 0).missing == 0
        assert vaults.tree()["dir/a.txt"] == "a"
        assert vaults.take("i", [archive("b", "b")])
        assert not vaults.take("i", [archive("b", "b")])
        # A folder for a name that nothing got is gone with the first change.
        assert vaults.tree() == {"dir": None, "dir/a.txt": "a", "b": "b"}
        assert vaults.archives.completeness("v", 5, 0).missing == 3


def test_a_damaged_file_is_rebuilt_and_inventories_are_taken_in_again(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", ENTRIES)
    damage_rows(tmp_path / "c.sqlite")
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        with pytest.raises(CasfsError, match="being rebuilt; try again"):
            vaults.tree()
        assert vaults.tree() == {}
        assert not vaults.intake.has_taken("v", "i")
        assert vaults.take("i", ENTRIES)
        assert vaults.tree() == expected_tree(ENTRIES)


TAKER = """
import sys
from pathlib import Path
from tests.support.vaults import job, vaults_at
from tests.unit.tree.sqlite.test_database import ENTRIES
with vaults_at(Path(sys.argv[1])) as vaults:
    print("ready", flush=True)
    which = int(sys.stdin.readline())
    for turn in range(3):
        # Some the same, some of its own, some that the other one removes the folders of.
        vaults.take(f"common {turn}", ENTRIES[turn * 500 : (turn + 1) * 500])
        start = 1500 + which * 500
        vaults.take(f"own {which} {turn}", ENTRIES[start : start + 500])
        vaults.catalog.list_jobs("v", [job(f"j{n}", f"{n:04}") for n in range(turn, 300)], 1.0)
        vaults.readable.refresh()
"""


def test_all_who_begin_a_file_at_the_same_moment_can(tmp_path):
    """Processes, in earnest; threads meet in the file just as well."""
    together = threading.Barrier(4)

    def begin(path):
        together.wait(60)
        Database(path).close()

    with ThreadPoolExecutor(4) as threads:
        for number in range(100):
            paths = [tmp_path / str(number) / "c.sqlite"] * 4
            assert list(threads.map(begin, paths)) == [None] * 4


def test_the_error_names_the_process_that_holds_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("casfs.tree.sqlite.database_file._LOCK_SECONDS", 0.05)
    with (tmp_path / "c.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match=r"another process has held .*c\.lock"):
            Database(tmp_path / "c.sqlite")
    Database(tmp_path / "c.sqlite").close()


def test_two_processes_take_in_inventories_at_a_time(tmp_path):
    path = tmp_path / "c.sqlite"
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for taker in takers:
            assert taker.stdout is not None
            assert taker.stdout.readline() == "ready\n"
        for which, taker in enumerate(takers):
            assert taker.stdin is not None
            taker.stdin.write(f"{which}\n")
            taker.stdin.flush()
        errors = [taker.communicate(timeout=120)[1] for taker in takers]
    finally:
        for taker in takers:
            taker.kill()
            taker.communicate()
    assert (errors, [taker.returncode for taker in takers]) == (["", ""], [0, 0])
    with vaults_at(path) as vaults:
        there = ENTRIES[:2500]
        assert vaults.tree() == expected_tree(there)
        assert vaults.tree(Scope.READABLE) == expected_tree(there, {f"{n:04}" for n in range(300)})
