"""What a mount reads of the ledger: never more than it may, and nothing where it fails."""

import logging
import sqlite3
from contextlib import closing

from casfs.ledger.ledger_reader import LedgerReader
from casfs.ledger.request import RequestState
from tests.support.ledgers import ORIGIN, VAULT, filled, intended, intent, ledger, unlimited


def reader(directory):
    return LedgerReader(directory, ORIGIN)


def test_requests_are_found_by_archive_by_job_and_by_vault(tmp_path):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        request = intended(one, run, "one", "bulk")
        one.intend(intent("two"), run, "bulk", unlimited)
        one.note(request, RequestState.STARTED, job="job-1")
        # As it is while somebody writes.
        found = reader(tmp_path)
        assert list(found.of_archives(VAULT, ["one", "three"])) == ["one"]
        (started,) = found.of_archives(VAULT, ["one"])["one"]
        assert (started.state, started.job, started.tier) == (RequestState.STARTED, "job-1", "bulk")
        assert started.answered is not None
        assert found.of_job(VAULT, "job-1") == started
        assert found.of_job(VAULT, "job-2") is None
        assert [one.archive for one in found.of_vault(VAULT)] == ["one", "two"]


def test_no_ledger_is_an_empty_one_and_is_not_created(tmp_path):
    assert list(reader(tmp_path / "state").of_vault(VAULT)) == []
    assert list(reader(None).of_vault(VAULT)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_of_a_later_version_is_read(tmp_path):
    path = filled(tmp_path, "one")
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE requests ADD COLUMN manifest TEXT")
        other.execute("UPDATE requests SET state = 'written'")
        other.execute("PRAGMA user_version = 99")
        other.commit()
    (request,) = reader(tmp_path).of_vault(VAULT)
    assert request.state is RequestState.UNKNOWN


def test_a_ledger_that_fails_is_empty_and_told_once(tmp_path, caplog):
    path = filled(tmp_path, "one")
    path.write_bytes(b"something else" * 1000)
    found = reader(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert list(found.of_vault(VAULT)) == []
        assert found.of_archives(VAULT, ["one"]) == {}
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]


def test_reading_changes_nothing(tmp_path):
    path = filled(tmp_path, "one")
    before = path.read_bytes()
    assert len(list(reader(tmp_path).of_vault(VAULT))) == 1
    assert path.read_bytes() == before
