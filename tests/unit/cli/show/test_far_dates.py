"""Dates at the ends of the calendar, which a service or a foreign mount may state."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from casfs.cli.show import brief_time, local_text
from casfs.cli.standing import clock_text
from casfs.job_requests import Tier
from casfs.restore.job_waiting import pause_until
from casfs.restore.sweeps import ListedJob
from casfs.service.service_clock import ServiceClock
from tests.support.restore_jobs import made_job

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture(params=["Asia/Shanghai", "America/New_York"])
def _zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zone")
def test_they_can_be_shown_in_every_zone():
    for moment in (FIRST, LAST):
        year = f"{moment:%Y}".lstrip("0")
        assert year in local_text(moment)
        assert year in clock_text(moment)
        assert brief_time(moment)


def test_nothing_is_later_than_the_last_of_them():
    made = replace(made_job(), created=LAST, duration=Tier.BULK.latest)
    job = ListedJob.of(made)
    assert made.ready is job.ready is None
    assert pause_until([job], NOW, None) > timedelta(days=365).total_seconds()


def test_a_service_may_state_one_as_its_time(monkeypatch):
    clock, uptime = ServiceClock(), [0.0]
    monkeypatch.setattr(time, "clock_gettime", lambda _: uptime[0])
    clock.note({"Date": "Fri, 31 Dec 9999 23:59:59 GMT"})
    uptime[0] = 100.0
    assert clock.now() == LAST.replace(second=59)
