"""A request whose answer was lost is given up only after long enough, whatever the clock says."""

from datetime import timedelta

import pytest

from casfs.ledger.request import TO_THE_END, Request, RequestState
from casfs.restore import clock
from casfs.restore.clock import Moment, elapsed
from tests.support.restore_jobs import NOW

MINUTE = timedelta(minutes=1)

REQUEST = Request(
    1, "photos", "archive", "one", 0, TO_THE_END, 100, "standard", "t", RequestState.INTENDED,
    "run", 1, NOW, None, None, None, None, None, "this boot", 1000.0,
)  # fmt: skip


@pytest.mark.parametrize("set_by", [timedelta(days=-3), timedelta(0), timedelta(days=3)], ids=str)
def test_in_one_boot_the_wall_clock_says_nothing(set_by):
    moment = Moment(NOW + MINUTE + set_by, "this boot", 1060.0)
    assert elapsed(REQUEST, moment) == MINUTE


@pytest.mark.parametrize(
    ("by_wall", "uptime", "passed"),
    [
        (timedelta(hours=2), 7 * 3600.0, timedelta(hours=2)),
        (timedelta(days=3), 60.0, MINUTE),
        (timedelta(days=-3), 60.0, timedelta(0)),
    ],
    ids=["up for longer", "the wall clock was set ahead", "it was set back"],
)
def test_after_a_reboot_no_more_has_passed_than_the_machine_is_up(by_wall, uptime, passed):
    assert elapsed(REQUEST, Moment(NOW + by_wall, "another boot", uptime)) == passed


def test_a_boot_without_a_name_is_no_other_one(monkeypatch, tmp_path):
    """Then a process compares uptimes with its own alone."""
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "missing")
    clock._boot.cache_clear()
    try:
        first = clock.now()
        assert clock.now().boot == first.boot
        clock._boot.cache_clear()
        assert clock.now().boot != first.boot
    finally:
        clock._boot.cache_clear()
