"""The ledger: what is committed before it is sent, counted once, and never given up."""

import errno
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as futures_wait
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from casfs.errors import CasfsError, LedgerError
from casfs.ledger.request import TO_THE_END, RequestState
from casfs.restore.clock import now
from casfs.restore.intents import Intent
from casfs.restore.prices import Load
from tests.support.ledgers import filled, intended, intent, ledger, unlimited


class TooMuchError(CasfsError):
    pass


def test_a_request_is_on_the_disk_before_it_is_returned(tmp_path):
    path = filled(tmp_path / "state", "one")
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT state, final FROM requests").fetchall() == [("intended", 0)]


def test_the_file_and_its_directory_are_private(tmp_path):
    path = filled(tmp_path / "state", "one")
    modes = {one.name: one.stat().st_mode & 0o777 for one in (path.parent, *path.parent.iterdir())}
    assert modes.pop("state") == 0o700
    assert set(modes.values()) == {0o600}


def test_what_is_open_is_not_requested_again_by_another_process(tmp_path):
    with closing(ledger(tmp_path)) as one, closing(ledger(tmp_path)) as two:
        run = one.run_of("all")
        assert two.run_of("all") == run
        assert one.intend(intent(), run, "standard", unlimited) is not None
        assert two.intend(intent(), run, "bulk", unlimited) is None
        # A range of what is requested whole is requested, too; more of it is not.
        assert two.intend(intent(first=0, last=49), run, "standard", unlimited) is None
        assert two.intend(intent(last=199), run, "standard", unlimited) is not None


@pytest.mark.parametrize("state", [one for one in RequestState if one.is_final])
def test_what_came_to_an_end_may_be_requested_again(tmp_path, state):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        request = intended(one, run)
        one.note(request, state, reason="so it is")
        assert list(one.open_requests()) == []
        assert one.intend(intent(), run, "standard", unlimited) is not None


def test_an_unknown_end_covers_every_range(tmp_path):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        whole = Intent("archive", "one", 0, TO_THE_END, None)
        assert one.intend(whole, run, "standard", unlimited) is not None
        assert one.intend(intent(), run, "standard", unlimited) is None
        assert one.intend(whole, run, "standard", unlimited) is None


@pytest.mark.parametrize("sizes", [(100, None), (None, 100)])
def test_a_whole_archive_is_requested_once_whether_its_size_is_known_or_not(tmp_path, sizes):
    first, second = (Intent("archive", "one", 0, TO_THE_END, size) for size in sizes)
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        assert one.intend(first, run, "standard", unlimited) is not None
        assert one.intend(second, run, "standard", unlimited) is None


def test_a_range_that_turns_out_to_be_the_whole_archive_is_not_requested_again(tmp_path):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        assert one.intend(intent(last=99), run, "standard", unlimited) is not None
        whole = Intent("archive", "one", 0, TO_THE_END, 100)
        assert one.intend(whole, run, "standard", unlimited) is None
        larger = Intent("archive", "one", 0, TO_THE_END, 101)
        assert one.intend(larger, run, "standard", unlimited) is not None


def test_a_restore_is_counted_over_processes_and_without_refusals(tmp_path):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        first = intended(one, run, "one")
        second = intended(one, run, "two")
        one.note(first, RequestState.STARTED, job="job-1")
        one.note(second, RequestState.REFUSED, reason="policy")
    with closing(ledger(tmp_path)) as again:
        assert again.run_of("all") == run
        assert again.run_of("another") != run
        assert again.spent(run) == [Load("standard", 1, 100, 1)]


def test_what_is_too_much_is_not_committed(tmp_path):
    def check(spent):
        if sum(one.bytes for one in spent) > 100:
            raise TooMuchError("too much")

    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        one.intend(intent("one"), run, "standard", check)
        with pytest.raises(TooMuchError):
            one.intend(intent("two"), run, "standard", check)
        assert [request.archive for request in one.open_requests()] == ["one"]
        assert one.spent(run) == [Load("standard", 1, 100, 1)]


def test_a_process_is_alive_until_it_ends_however_it_ends(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.support.ledgers import ledger;"
        "one = ledger(Path(sys.argv[1])); print(one.owner, flush=True); sys.stdin.read()"
    )
    with closing(ledger(tmp_path)) as one:
        child = subprocess.Popen(
            [sys.executable, "-c", script, tmp_path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert child.stdout is not None
            number = int(child.stdout.readline())
            assert one.is_alive(number)
            assert one.is_alive(one.owner)
        finally:
            child.kill()
            child.communicate()
        assert not one.is_alive(number)


def test_the_time_to_settle_begins_when_a_request_can_be_sent(tmp_path):
    with closing(ledger(tmp_path)) as one, closing(sqlite3.connect(one.path)) as other:
        run = one.run_of("all")
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(intended, one, run)
            # It waits for the file.
            assert futures_wait([waiting], timeout=0.3).done == set()
            free = now().uptime
            other.rollback()
            request = waiting.result()
        assert request.uptime >= free


def test_the_time_to_settle_begins_anew_when_an_answer_is_lost(tmp_path):
    with closing(ledger(tmp_path)) as one:
        request = intended(one, one.run_of("all"))
        lost = now().uptime
        one.note(request, RequestState.UNCERTAIN)
        (uncertain,) = one.open_requests()
        assert uncertain.uptime >= lost
        one.note(uncertain, RequestState.STARTED, "job-1")
        assert one.request(request.number).uptime == uncertain.uptime


def test_a_clock_that_was_once_wrong_forgets_no_restore(tmp_path, monkeypatch):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        right = now()
        wrong = replace(right, time=datetime(1970, 1, 2, tzinfo=UTC))
        monkeypatch.setattr("casfs.restore.ledger.now", lambda: wrong)
        assert one.run_of("all") == run
        monkeypatch.setattr("casfs.restore.ledger.now", lambda: right)
        assert one.run_of("all") == run


def test_a_clock_that_steps_makes_no_wave_early_or_late(tmp_path, monkeypatch):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        intended(one, run)
        moment, wave = now(), timedelta(hours=12)
        for step in (timedelta(days=1), timedelta(days=-1)):
            there = replace(moment, time=moment.time + step)
            monkeypatch.setattr("casfs.restore.ledger.now", lambda there=there: there)
            assert one.requested_since(run, wave) == 100
            over = replace(there, uptime=there.uptime + wave.total_seconds() + 60)
            monkeypatch.setattr("casfs.restore.ledger.now", lambda over=over: over)
            assert one.requested_since(run, wave) == 0
        # In another boot there is nothing but the wall clock.
        other = replace(moment, boot="another", uptime=10.0)
        monkeypatch.setattr("casfs.restore.ledger.now", lambda: other)
        assert one.requested_since(run, wave) == 100
        other = replace(other, time=other.time + timedelta(days=1))
        assert one.requested_since(run, wave) == 0


def test_a_first_run_that_was_killed_leaves_a_ledger_that_can_be_used(tmp_path):
    path = filled(tmp_path, "one")
    # As it is between the two calls that give the new file its name.
    os.link(path, path.with_name(f".{path.name}.0123456789abcdef"))
    with closing(ledger(tmp_path)) as one:
        assert [request.archive for request in one.open_requests()] == ["one"]
    assert path.stat().st_nlink == 1


def test_another_name_of_the_ledger_elsewhere_is_refused(tmp_path):
    path = filled(tmp_path / "state", "one")
    os.link(path, tmp_path / "copy")
    with pytest.raises(LedgerError, match="hard link"):
        ledger(tmp_path / "state")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links_is_named_and_nothing_is_left_there(
    tmp_path, monkeypatch, number
):
    """As vfat, exFAT and many that are mounted by FUSE."""

    def link(old, new, **more):
        raise OSError(number, os.strerror(number), old, None, new)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(LedgerError, match=r"has no hard links.*Give a --state-dir on another disk"):
        ledger(tmp_path / "state")
    assert list((tmp_path / "state").iterdir()) == []
    monkeypatch.undo()
    filled(tmp_path / "state", "one")


@pytest.mark.parametrize("column", ["cost", "first", "size", "intended", "uptime", "token"])
def test_a_damaged_row_is_told_with_the_name_of_the_file(tmp_path, column):
    path = filled(tmp_path, "one")
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"UPDATE requests SET {column} = x'ff616263'")
        other.commit()
    with closing(ledger(tmp_path)) as one, pytest.raises(LedgerError, match=str(path)):
        list(one.open_requests())


def cut_to_nothing(path):
    path.write_bytes(b"")


def damage(path):
    data = bytearray(path.read_bytes())
    data[200:8000] = b"\xff" * 7800
    path.write_bytes(data)


def of_something_else(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE requests (a)")


def of_a_later_version(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")


def no_file_at_all(path):
    path.unlink()
    path.mkdir()


def a_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "spoil",
    [cut_to_nothing, damage, of_something_else, of_a_later_version, no_file_at_all, a_link],
)
def test_a_ledger_that_is_not_understood_is_left_as_it_is(tmp_path, spoil):
    path = filled(tmp_path / "state", "one")
    spoil(path)
    before = path.is_file() and path.read_bytes()
    with pytest.raises(LedgerError, match=str(path)):
        ledger(tmp_path / "state")
    assert (path.is_file() and path.read_bytes()) == before


def test_a_ledger_that_cannot_be_created_names_its_file(tmp_path):
    (tmp_path / "state").write_bytes(b"a file")
    with pytest.raises(LedgerError, match="state"):
        ledger(tmp_path / "state")


def test_a_ledger_that_goes_away_is_noticed_before_anything_is_sent(tmp_path):
    with closing(ledger(tmp_path / "state")) as one:
        run = one.run_of("all")
        os.rename(one.path, one.path.with_name("away"))
        with pytest.raises(LedgerError, match=r"requests\.sqlite"):
            one.intend(intent(), run, "standard", unlimited)
