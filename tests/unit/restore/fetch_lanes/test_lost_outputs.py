"""What is lost while it is fetched: that ends, and costs nothing for which nobody was asked."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from casfs.cli.restore_report import RestoreReport
from casfs.client import RestorableFile
from casfs.errors import CasfsError, ExpiredError, NotReadyError, ThreadError
from casfs.job_requests import JobFeatures
from casfs.model import Vault
from casfs.restore.archive_restorer import ArchiveRestorer
from casfs.restore.fetch_lanes import Fetcher
from casfs.restore.fetch_order import Lanes
from casfs.restore.plan import Group, Plan, Sum
from casfs.restore.preparing import Prepared
from casfs.restore.prices import Prices
from casfs.restore.traffic import Place
from casfs.restore.work_items import Stage
from casfs.restore.worklist import Worklist

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Restores:
    """Fetches from one job, of which the service says the same each time."""

    def __init__(self, worklist: Worklist, error: CasfsError) -> None:
        self.error = error
        self.gone: list[str] = []
        self.failures: list[str] = []
        self.worklist = worklist
        names = ("client", "vault", "files", "tree", "recorder", "algorithm", "mode", "overwrite")
        others: dict[str, Any] = dict.fromkeys((*names, "told", "delivered"))
        self.restorer = ArchiveRestorer(**others, worklist=worklist, gone=self.gone.append)

    def prepare(self, items):
        pass

    def restore(self, item, note):
        self.restorer._jobs[item.number] = ("job", "another")
        raise self.error

    def expired(self, item, error):
        return self.restorer.expired(item, error)

    def failed(self, item, error):
        self.failures.append(item.path)
        self.worklist.set_stage(item.number, Stage.FAILED)


def expired_error(job: str | None) -> ExpiredError:
    error = ExpiredError("gone")
    error.job = job
    return error


@pytest.fixture
def worklist():
    with Worklist() as made:
        file = RestorableFile("1", "a", 1, 0, None, 0)
        made.add(file, Stage.READABLE)
        yield made


def fetch(worklist: Worklist, restores: Restores) -> None:
    fetcher = Fetcher(worklist, restores, Lanes(2, 1))
    fetcher.start()
    assert fetcher.wait(5)
    fetcher.close(5)


def test_jobs_that_are_listed_without_an_output_are_asked_twice_at_most(worklist):
    restores = Restores(worklist, expired_error("job"))
    for _ in range(5):
        fetch(worklist, restores)
        # The service lists the job still.
        worklist.note_readable("1", None, NOW)
    assert (restores.gone, restores.failures) == (["job"], ["a"])


@pytest.mark.parametrize("job", ["another", None])
def test_only_the_job_whose_output_is_gone_is_recorded_as_expired(worklist, job):
    """An archive may have a thousand, and of what is evicted from the cache none has expired."""
    restores = Restores(worklist, expired_error(job))
    fetch(worklist, restores)
    assert restores.gone == [one for one in [job] if one]
    assert worklist.totals()[Stage.WAITING].archives == 1
    assert list(worklist.unplanned()) == ["1"]


def test_what_has_come_of_an_archive_counts_until_its_lane_is_free(worklist):
    class Slow(Restores):
        def restore(self, item, note):
            note(300)
            note(44)
            self.seen = fetcher.in_flight()
            raise self.error

    restores = Slow(worklist, ExpiredError("gone"))
    fetcher = Fetcher(worklist, restores, Lanes(2, 1))
    fetcher.start()
    assert fetcher.wait(5)
    fetcher.close(5)
    assert (restores.seen, fetcher.in_flight(), fetcher.counts.bytes) == (344, 0, 344)


@pytest.mark.parametrize("error", [NotReadyError("running"), ThreadError("too many")])
def test_what_may_be_there_later_is_not_taken_to_be_lost(worklist, monkeypatch, error):
    """It would be requested, and paid for, once more, or be recorded as failed."""
    monkeypatch.setattr("casfs.restore.fetch_lanes._PAUSE", 0.0)
    restores = Restores(worklist, error)
    fetch(worklist, restores)
    assert (restores.gone, restores.failures) == ([], [])
    assert worklist.totals()[Stage.LEFT].archives == 1


def test_the_question_whether_to_request_again_names_the_price(worklist, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True, fileno=lambda: 0))
    plan = Plan()
    plan.groups[Group.AGAIN] = Sum(7, 3 << 30)
    # Later waves are still to come: the user agreed to them before.
    plan.groups[Group.REQUESTED] = Sum(90, 40 << 30)
    prices = Prices(
        currency="CNY",
        by_tier={"retrieval_per_gb": {"bulk": Decimal(4)}, "jobs_per_1000": {"bulk": Decimal(0)}},
        single={"gets_per_10000": Decimal(0)},
    )
    prepared = Prepared(
        run="1",
        vault=Vault("photos", "photos", None, None, None, None, "{}"),
        region="",
        prices=prices,
        place=Place(True, "", ""),
        spent=[],
        rate=1.0,
        room=1,
        features=JobFeatures(tiers=()),
        plan=plan,
    )
    nothing: Any = None
    RestoreReport(nothing, nothing, worklist, nothing, nothing).ask_again(prepared, "bulk")
    told = capsys.readouterr().err
    assert "7 can no longer be fetched (3.0 GiB, 12.00 CNY)" in told
