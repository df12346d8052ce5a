"""Jobs are listed seldom: first when one may be done, and by the service's clock."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from casfs.errors import DeniedError, NotFoundError, UnreachableError
from casfs.job_requests import Tier
from casfs.model import JobState
from casfs.restore import job_waiting
from casfs.restore.clock import Moment
from casfs.restore.job_waiting import Waiting, WaitLimits, pause_until
from casfs.restore.sweeps import ListedJob

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = 3600.0


def job(name, tier=None, ago=0.0, state=JobState.RUNNING):
    return ListedJob(name, "archive", state, "a", tier, NOW - timedelta(seconds=ago), None)


@pytest.mark.parametrize(
    ("jobs", "seconds"),
    [
        ([job("a", Tier.EXPEDITED)], 60),
        ([job("a", Tier.EXPEDITED, 40)], 60),
        ([job("a", Tier.EXPEDITED, 200), job("b", Tier.BULK)], 60),
        ([job("a", Tier.EXPEDITED, 300)], 300),
        ([job("a", Tier.STANDARD)], 3 * HOUR),
        ([job("a", Tier.BULK)], 5 * HOUR),
        ([job("a", Tier.BULK), job("b", Tier.STANDARD, 2 * HOUR)], HOUR),
        ([job("a", Tier.STANDARD, 4 * HOUR)], 300),
        ([job("a")], 300),
    ],
)
def test_the_first_list_is_made_when_a_job_may_be_done(jobs, seconds):
    assert seconds <= pause_until(jobs, NOW, None) <= seconds * 1.1
    assert 7 <= pause_until(jobs, NOW, 7.0) <= 7.7


def test_a_clock_that_is_unknown_delays_nothing():
    assert pause_until([job("a", Tier.BULK)], None, None) <= 330


class World:
    """A clock that only sleeping moves, and lists that tests prepare."""

    def __init__(self, monkeypatch, *lists):
        self.uptime = 1000.0
        self.left = list(lists)
        self.asked = []
        self.described = {}
        self.service_now = None
        monkeypatch.setattr(job_waiting, "now", lambda: Moment(NOW, "boot", self.uptime))

    def sleep(self, seconds):
        assert seconds > 0
        self.uptime += seconds

    def jobs(self, age):
        assert self.uptime - age > max(self.asked, default=0), "one's own list is no news"
        self.asked.append(self.uptime)
        found = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(found, Exception):
            raise found
        return found

    def describe(self, job_id):
        found = self.described.get(job_id, NotFoundError("gone"))
        if isinstance(found, Exception):
            raise found
        return found

    def wait(self, first, wanted, **limits):
        made = Waiting(cast(Any, self), self.describe, lambda: self.service_now, self.sleep)
        return list(made.until_ended(first, wanted, WaitLimits(**limits)))


def done(name, **facts):
    return job(name, state=JobState.SUCCEEDED, **facts)


def test_jobs_end_one_after_the_other(monkeypatch):
    world = World(monkeypatch, [done("a"), job("b")], [done("a"), done("b")])
    found = world.wait([job("a"), job("b")], {"a", "b"})
    assert [[one.id for one in progress.ended] for progress in found] == [[], ["a"], ["b"]]
    assert found[-1].pause is None
    first, second = world.asked
    assert 300 <= first - 1000 <= 330
    assert 300 <= second - first <= 330


def test_an_expedited_job_is_seen_to_be_done_within_a_minute(monkeypatch):
    world = World(monkeypatch, [job("a", Tier.EXPEDITED, 60)], [done("a")])
    world.service_now = NOW
    found = world.wait([job("a", Tier.EXPEDITED)], {"a"})
    assert found[-1].ended
    first, second = world.asked
    assert 60 <= first - 1000 <= 66
    assert 60 <= second - first <= 66


def test_what_a_time_out_leaves(monkeypatch):
    world = World(monkeypatch, [job("a")])
    found = world.wait([job("a")], {"a"}, timeout=400.0)
    assert [one.id for one in found[-1].running] == ["a"]
    assert world.uptime == pytest.approx(1400)


def test_a_failed_list_is_made_again(monkeypatch):
    world = World(monkeypatch, UnreachableError("no"), [done("a")])
    found = world.wait([job("a")], {"a"})
    assert [progress.failure is None for progress in found] == [True, False, True]
    assert found[-1].ended
    world = World(monkeypatch, UnreachableError("no"))
    assert world.wait([job("a")], {"a"}, timeout=1000.0)[-1].failure is not None
    world = World(monkeypatch, DeniedError("no"))
    with pytest.raises(DeniedError):
        world.wait([job("a")], {"a"})


def test_a_job_that_no_list_shows_is_described(monkeypatch):
    world = World(monkeypatch, [])
    world.described = {"late": job("late"), "unknown": UnreachableError("no")}
    found = world.wait([], {"late", "gone", "unknown"}, timeout=1.0)
    assert [one.id for one in found[0].ended] == ["gone"]
    assert "no longer" in found[0].ended[0].message
    assert [one.id for one in found[0].running] == ["late", "unknown"]


class Uncertain:
    """A supply that asks once, and then has nothing more."""

    is_pending = True

    def poll(self):
        self.is_pending = False
        return set()


def test_nobody_sleeps_once_there_is_nothing_left_to_wait_for(monkeypatch):
    world = World(monkeypatch, [])
    made = Waiting(cast(Any, world), world.describe, lambda: None, world.sleep, Uncertain())
    (_, last) = made.until_ended([], set(), WaitLimits())
    assert (last.ended, last.running, last.pause) == ([], [], None)
    assert world.uptime - 1000 <= 30
