"""In which order archives that can be read are taken."""

from datetime import UTC, datetime, timedelta

import pytest

from casfs.client import RestorableFile
from casfs.restore.work_items import Stage
from casfs.restore.worklist import Worklist


def taken(cached_first: bool, count: int) -> list[str]:
    """The order in which archives are taken, so many at a time."""
    now = datetime.now(UTC)
    left = {"later": 20.0, "cached": None, "soon": 0.5, "cached too": None, "soonest": 0.2}
    with Worklist() as worklist:
        worklist.cached_first = cached_first
        for archive in ("here", *left):
            stage = Stage.WAITING if archive in left else Stage.READABLE
            worklist.add(RestorableFile(archive, archive, 1, 0, None, 0), stage)
        for archive, hours in left.items():
            expires = None if hours is None else now + timedelta(hours=hours)
            worklist.note_readable(archive, expires, now)
        found: list[str] = []
        while items := worklist.take_readable(False, count):
            found += [item.archive for item in items]
        assert worklist.totals()[Stage.FETCHING].archives == len(left) + 1
    return found


@pytest.mark.parametrize("count", [1, 2, 64])
def test_the_soonest_expiry_comes_first_and_what_is_cached_last(count):
    order = ["here", "soonest", "soon", "later", "cached", "cached too"]
    assert taken(False, count) == order


@pytest.mark.parametrize("count", [1, 2, 64])
def test_what_is_cached_is_copied_before_what_is_fetched_evicts_it(count):
    """It would have to be requested again, and paid for; what is about to expire still is first."""
    order = ["here", "soonest", "soon", "cached", "cached too", "later"]
    assert taken(True, count) == order
