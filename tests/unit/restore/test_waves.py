"""Later waves outlast failures that pass."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from casfs.errors import DeadlineError, DeniedError, UnreachableError
from casfs.restore import waves
from casfs.restore.job_sending import Counts
from casfs.restore.running import Outcome
from casfs.restore.waves import Waves
from casfs.tree.sqlite import connection
from casfs.tree.sqlite.database import Database


class PendingRun:
    """A run of which one archive is left, and which notes in the catalog what it lists."""

    has_stopped = False

    def __init__(self, database: Database) -> None:
        self.database = database
        self.failure: Exception | None = None

    def has_room(self) -> bool:
        return True

    def go_on(self) -> Outcome:
        if self.failure is not None:
            raise self.failure
        with self.database.transaction() as writing:
            writing.execute("DELETE FROM listings")
        return Outcome(Counts(started=2), jobs={"second"})


@pytest.fixture
def pending(tmp_path, monkeypatch):
    monkeypatch.setattr(waves, "_RETRY", 0.0)
    monkeypatch.setattr(connection, "_BUSY_SECONDS", 0.05)
    run: Any = PendingRun(Database(tmp_path / "catalog.sqlite"))
    outcome = Outcome(Counts(started=1), left=1)
    yield run, Waves(run, outcome, 60, lambda found: found.jobs)
    run.database.close()


@contextmanager
def long_write(path: Path) -> Iterator[None]:
    """Write as another process does that is not done for a long time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def check_that_it_follows(supply: Waves) -> None:
    assert supply.is_pending
    assert supply.poll() == {"second"}
    assert not supply.is_pending


def test_a_wave_follows_once_the_catalog_can_be_written(pending, tmp_path, caplog):
    _, supply = pending
    with long_write(tmp_path / "catalog.sqlite"):
        assert supply.poll() == set()
    assert "the next wave is sent later" in caplog.text
    assert "another process" in caplog.text
    check_that_it_follows(supply)


def test_a_wave_follows_after_the_disk_of_the_catalog_has_failed(pending, monkeypatch):
    _, supply = pending

    def full(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(connection.ReplayConnection, "set_up", full)
    assert supply.poll() == set()
    check_that_it_follows(supply)


@pytest.mark.parametrize("failure", [UnreachableError("no"), DeadlineError("late")])
def test_a_wave_follows_once_the_service_answers(pending, failure):
    run, supply = pending
    run.failure = failure
    assert supply.poll() == set()
    run.failure = None
    check_that_it_follows(supply)


def test_a_refusal_ends_the_waves(pending):
    run, supply = pending
    run.failure = DeniedError("no")
    with pytest.raises(DeniedError):
        supply.poll()
