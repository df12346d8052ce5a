"""What was known of an account outlives the process, whole listings at a time."""

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.errors import CasfsError, ConfigError
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.schema import VERSION
from casfs.tree.sqlite.stand_in import StandIn
from casfs.tree.times import mtime
from tests.support.catalogs import DIALECT, FIRST_VERSION, catalog_at, damage_rows, job


def vault(name, **facts):
    return DIALECT.vault({"VaultName": name, **facts})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "catalog.sqlite"


@pytest.fixture
def catalog(path):
    with catalog_at(path) as made:
        yield made


def listed(catalog, name="v"):
    return [job_id for job_id, _, is_listed in catalog.jobs(name) if is_listed]


def unlisted(catalog, name="v"):
    return [job_id for job_id, _, is_listed in catalog.jobs(name) if not is_listed]


def test_nothing_is_known_at_first(catalog):
    assert catalog.vaults() == []
    assert catalog.vault("v") is None
    assert list(catalog.jobs("v")) == []
    assert catalog.job("v", "j") is None
    assert catalog.vaults_listed_at() is None
    assert catalog.jobs_listed_at("v") is None


def test_it_is_all_there_after_a_restart(path):
    with catalog_at(path) as first:
        first.list_vaults([vault("v", SizeInBytes=3)], 1000.5)
        first.list_jobs("v", [job("b"), job("a", Tier="Bulk")], 2000.5)
        first.put_size("v", "a", 77)
    with catalog_at(path) as later:
        ((name, description, is_listed),) = later.vaults()
        assert (name, is_listed) == ("v", True)
        assert json.loads(description)["SizeInBytes"] == 3
        assert later.vaults_listed_at() == 1000.5
        assert later.jobs_listed_at("v") == 2000.5
        assert listed(later) == ["a", "b"]
        row = later.job("v", "a")
        assert row is not None
        assert (row.size, row.listed) == (77, True)
        assert json.loads(row.description)["Tier"] == "Bulk"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sets(st.text("abc", min_size=1, max_size=3)), min_size=1, max_size=5))
def test_the_last_listing_says_what_is_listed(tmp_path_factory, listings):
    with catalog_at(tmp_path_factory.mktemp("x") / "c.sqlite") as catalog:
        for number, names in enumerate(listings):
            catalog.list_jobs("v", [job(name) for name in sorted(names)], float(number))
        assert listed(catalog) == sorted(listings[-1])
        assert unlisted(catalog) == sorted(set().union(*listings) - listings[-1])


def test_pages_do_not_show(catalog):
    names = [f"{number:05}" for number in range(2500)]
    catalog.list_jobs("v", (job(name) for name in names), 1.0)
    assert listed(catalog) == names


def test_a_listing_that_breaks_off_takes_nothing_away(catalog):
    catalog.list_jobs("v", [job("a"), job("b")], 1.0)
    arriving = []

    def broken():
        yield from (job(f"{number:05}") for number in range(1500))
        arriving.append(catalog.is_listing)
        raise CasfsError("broken off")

    with pytest.raises(CasfsError):
        catalog.list_jobs("v", broken(), 2.0)
    assert (arriving, catalog.is_listing) == ([True], False)
    assert catalog.jobs_listed_at("v") == 1.0
    assert {"a", "b"} <= set(listed(catalog))


def test_what_a_listing_that_broke_off_brought_is_gone_with_the_next_one(catalog):
    def broken():
        yield from (job(f"{number:05}") for number in range(1500))
        raise CasfsError("broken off")

    with pytest.raises(CasfsError):
        catalog.list_jobs("v", broken(), 2.0)
    catalog.list_jobs("v", [job("a")], 3.0)
    assert listed(catalog) == ["a"]


def test_a_description_that_comes_during_a_listing_does_not_unlist_its_job(catalog):
    """Somebody may look at one job while all are being listed."""

    def jobs():
        for number in range(1500):
            if number == 1200:
                catalog.put_job(job("00001", Tier="Bulk"))
            yield job(f"{number:05}")

    catalog.list_jobs("v", [job("00001")], 1.0)
    catalog.list_jobs("v", jobs(), 2.0)
    assert unlisted(catalog) == []


@pytest.mark.parametrize("moment", [0, 1200])
def test_what_is_described_for_the_first_time_during_a_listing_counts_as_listed(catalog, moment):
    """It may have been made behind the pages that came already."""

    def then(things, put, new):
        for number, thing in enumerate(things):
            if number == moment:
                put(new)
            yield thing

    old = [f"{number:05}" for number in range(1500)]
    catalog.list_jobs("v", [job("a")], 1.0)
    catalog.list_jobs("v", then([job(name) for name in old], catalog.put_job, job("new")), 2.0)
    assert listed(catalog) == [*old, "new"]
    catalog.list_jobs("v", [job(name) for name in old], 3.0)
    assert listed(catalog) == old

    catalog.list_vaults([vault("a")], 1.0)
    catalog.list_vaults(then([vault(name) for name in old], catalog.put_vault, vault("new")), 2.0)
    assert [name for name, _, is_listed in catalog.vaults() if is_listed] == [*old, "new"]


def test_a_size_that_was_measured_outlives_new_descriptions(catalog):
    catalog.put_job(job("a"))
    catalog.put_size("v", "a", 5)
    catalog.list_jobs("v", [job("a", Tier="Bulk")], 1.0)
    row = catalog.job("v", "a")
    assert row is not None
    assert row.size == 5


def test_vaults_have_jobs_of_their_own(catalog):
    catalog.list_jobs("v", [job("a")], 1.0)
    catalog.list_jobs("w", [job("a", vault="w"), job("b", vault="w")], 2.0)
    catalog.remove_job("w", "a")
    assert (listed(catalog, "v"), listed(catalog, "w")) == (["a"], ["b"])
    catalog.remove_vault("w")
    assert (listed(catalog, "v"), listed(catalog, "w")) == (["a"], [])
    assert catalog.jobs_listed_at("w") is None


GARBAGE = {
    "no database": b"this is no database at all" * 500,
    "rotten head": b"SQLite format 3\x00" + b"\xff" * 8000,
    "cut": None,
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_damaged_file_is_put_aside_and_rebuilt(path, kind):
    with catalog_at(path) as catalog:
        catalog.list_jobs("v", [job(f"{n:04}", Padding="x" * 500) for n in range(400)], 1.0)
    content = GARBAGE[kind]
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    with catalog_at(path) as catalog:
        assert list(catalog.jobs("v")) == []
        catalog.list_jobs("v", [job("a")], 2.0)
        assert listed(catalog) == ["a"]
    assert path.with_suffix(".damaged").exists()


def test_damage_in_the_middle_is_an_error_once_and_then_rebuilt(path):
    with catalog_at(path) as catalog:
        catalog.list_jobs("v", [job(f"{n:04}", Padding="x" * 500) for n in range(400)], 1.0)
    damage_rows(path)
    with catalog_at(path) as catalog:
        with pytest.raises(CasfsError, match=r"catalog\.sqlite was corrupt.*try again"):
            list(catalog.jobs("v"))
        assert list(catalog.jobs("v")) == []
        catalog.list_jobs("v", [job("a")], 2.0)
        assert listed(catalog) == ["a"]
    with catalog_at(path) as catalog:
        assert listed(catalog) == ["a"]


def test_what_one_process_has_rebuilt_another_that_finds_the_damage_later_leaves_alone(path):
    with catalog_at(path) as catalog:
        catalog.list_jobs("v", [job(f"{n:04}", Padding="x" * 500) for n in range(400)], 1.0)
    with catalog_at(path) as first, catalog_at(path) as second:
        damage_rows(path)
        with pytest.raises(CasfsError, match="corrupt"):
            list(first.jobs("v"))
        first.list_jobs("v", [job("a")], 2.0)
        with pytest.raises(CasfsError, match="corrupt"):
            list(second.jobs("v"))
        assert listed(second) == listed(first) == ["a"]
    with catalog_at(path) as later:
        assert listed(later) == ["a"]


def test_a_file_of_no_version_that_ever_was_is_rebuilt(path):
    Database(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = -1")
    with catalog_at(path) as catalog:
        assert catalog.vaults() == []
    assert path.with_suffix(".damaged").exists()


NEWER = rf"the catalog .*newer casfs \(version 99; this one knows {VERSION}\); .*--cache-dir"


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_file_of_a_newer_version_is_refused_and_left_untouched(path, mode):
    with catalog_at(path) as catalog:
        catalog.list_vaults([vault("v")], 1000.0)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA journal_mode = {mode}")
        newer.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(ConfigError, match=NEWER):
            Database(path)
    assert path.read_bytes() == before
    assert not path.with_suffix(".damaged").exists()


def test_a_file_that_a_newer_version_takes_over_meanwhile_is_not_put_aside(path):
    database = Database(path)
    try:
        with closing(sqlite3.connect(path)) as newer:
            newer.execute("PRAGMA user_version = 99")
        before = path.stat().st_ino
        # What the tables of the newer version do not allow looks like damage.
        with pytest.raises(ConfigError, match=NEWER), database.transaction() as connection:
            connection.execute("INSERT INTO jobs (vault) VALUES ('v')")
        with pytest.raises(ConfigError, match=NEWER):
            database.rows("SELECT 1")
        assert path.stat().st_ino == before
        assert not path.with_suffix(".damaged").exists()
    finally:
        database.close()


@pytest.mark.parametrize("pages", [0, 9000], ids=["small", "large"])
def test_a_file_of_a_newer_version_is_refused_where_its_disk_fails_too(path, pages):
    Database(path).close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("CREATE TABLE bulk (content)")
        newer.execute("INSERT INTO bulk VALUES (zeroblob(?))", (pages * 4096,))
        newer.commit()
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match=NEWER):
        StandIn(path)


def test_a_file_of_the_first_version_is_taken_over(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as older:
        older.executescript(FIRST_VERSION)
    for _ in range(2):
        with catalog_at(path) as catalog:
            assert [name for name, _, is_listed in catalog.vaults() if is_listed] == ["v"]
            assert (catalog.vaults_listed_at(), catalog.jobs_listed_at("v")) == (1000.5, 2000.5)
            assert (listed(catalog), unlisted(catalog)) == (["listed"], ["retained"])
            row = catalog.job("v", "retained")
            assert row is not None
            assert row.size == 77
    assert not path.with_suffix(".damaged").exists()
    with catalog_at(path) as catalog:
        catalog.list_jobs("v", [job("new")], 3000.0)
        assert listed(catalog) == ["new"]


def test_a_listing_of_files_needs_the_descriptions_of_jobs_that_went_only(catalog):
    completed = "2026-02-03T04:05:06.789012Z"
    catalog.list_jobs("v", [job("gone"), job("stays")], 1000.0)
    later = job("later", CompletionDate="9999-12-31T23:59:59Z")
    catalog.list_jobs("v", [job("stays", CompletionDate=completed), later], 2000.0)
    gone, latest, stays = catalog.job_times("v")
    assert (gone.id, gone.mtime, gone.listed, gone.description) == (
        "gone",
        0,
        False,
        job("gone").raw,
    )
    assert stays == ("stays", 1770091506_789012000, True, None)
    # The year is too late for nanoseconds in a column.
    assert latest == ("later", mtime(later), True, None)


def test_the_times_of_jobs_of_an_earlier_version_come_from_their_descriptions(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as older:
        older.executescript(FIRST_VERSION)
    with catalog_at(path) as catalog:
        found = {row.id: (row.mtime, row.listed, row.description) for row in catalog.job_times("v")}
    assert found == {
        "listed": (None, True, '{"JobId":"listed"}'),
        "retained": (None, False, '{"JobId":"retained"}'),
    }


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"catalog .*--cache-dir"):
        Database(tmp_path / "file" / "c.sqlite")


WRITER = """
import sys
from pathlib import Path
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.sqlite.database import Database
from tests.support.catalogs import job
database = Database(Path(sys.argv[1]))
catalog = JobTable(database)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    catalog.list_jobs("v", [job(f"{n:03}") for n in range(100)], float(turn))
    catalog.put_job(job("extra" + sys.argv[2]))
database.close()
"""


def test_two_processes_use_one_catalogue(path):
    Database(path).close()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        outs = []
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        outs = [writer.communicate(timeout=60) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert [(writer.returncode, err) for writer, (_, err) in zip(writers, outs, strict=True)] == [
        (0, ""),
        (0, ""),
    ]
    with catalog_at(path) as catalog:
        assert {f"{n:03}" for n in range(100)} <= set(listed(catalog))


def test_threads_use_one_catalogue(catalog):
    errors = []

    def work(name):
        try:
            for turn in range(20):
                catalog.put_job(job(f"{name}{turn}"))
                list(catalog.jobs("v"))
        except Exception as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(list(catalog.jobs("v"))) == 120
