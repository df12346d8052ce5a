"""What need not be requested, whatever the list of jobs shows of single jobs."""

from datetime import timedelta

import pytest

from casfs.client import Available, Rest
from casfs.ledger.request import TO_THE_END
from casfs.model import JobState
from casfs.restore.items import Item
from casfs.restore.listed_jobs import Fetching, ListedJobs
from casfs.restore.plan import Group, Plan, Planner, range_key
from tests.support.restore_jobs import NOW, made_job

SIZE = 100
WHOLE = Item("one", "a.bin", 0, TO_THE_END, SIZE, 0, whole=True)
PART = Item("one", "a.bin", 10, 19, 10, 0, whole=False)
LATER, SOON = NOW + timedelta(hours=1), NOW + timedelta(seconds=30)


def planned(jobs, available: Available, item: Item = WHOLE) -> tuple[Group, set[str] | None]:
    """The group of an item, and the running jobs that are adopted for it."""
    planner, plan = Planner(ListedJobs(jobs), Fetching(1e7, NOW)), Plan()
    found = planner.group(item, SIZE, available, plan)
    assert (plan.groups[found].archives, plan.all.bytes) == (1, item.size or 0)
    return found, planner.adopted


def joined(expires, left: int = SIZE) -> Available:
    return Available(frozenset(), {"one": Rest(left, expires)})


@pytest.mark.parametrize("item", [WHOLE, PART])
@pytest.mark.parametrize("expires", [LATER, None])
def test_what_jobs_bring_together_is_readable_though_another_job_runs(item, expires):
    found = planned([made_job(JobState.RUNNING)], joined(expires), item)
    assert found == (Group.READABLE, set())


def test_what_jobs_bring_together_for_too_short_a_time_is_not_readable():
    assert planned([], joined(SOON)) == (Group.REQUESTED, set())
    assert planned([made_job(name="running")], joined(SOON)) == (Group.RUNNING, {"running"})
    lasting = made_job(JobState.SUCCEEDED, left=timedelta(hours=1))
    assert planned([lasting], joined(SOON)) == (Group.READABLE, set())


def test_what_the_cache_has_takes_no_time():
    large = WHOLE._replace(size=1 << 40)
    jobs = [made_job(JobState.SUCCEEDED, left=timedelta(hours=1))]
    assert planned(jobs, joined(LATER, left=1 << 40), large) == (Group.REQUESTED, set())
    assert planned(jobs, joined(LATER, left=1 << 30), large) == (Group.READABLE, set())
    assert planned(jobs, joined(LATER, left=1 << 40), PART) == (Group.READABLE, set())
    unsized = WHOLE._replace(size=None)
    assert planned([], joined(LATER, left=1 << 40), unsized)[0] is Group.REQUESTED


def test_what_the_cache_has_is_not_fetched_of_what_is_readable():
    planner, plan = Planner(ListedJobs(), Fetching(1e7, NOW)), Plan()
    for item in (WHOLE, PART, WHOLE._replace(archive="another")):
        planner.group(item, SIZE, joined(LATER, left=30), plan)
    assert plan.held == SIZE - 30
    planner.group(WHOLE, SIZE, joined(SOON, left=30), plan)
    assert plan.held == SIZE - 30


def test_what_jobs_bring_counts_though_nobody_knows_what_is_cached():
    brought = {JobState.SUCCEEDED: Group.READABLE, JobState.RUNNING: Group.RUNNING}
    for state, group in brought.items():
        plan, jobs = Plan(), ListedJobs([made_job(state, left=timedelta(hours=1))])
        assert Planner(jobs, Fetching(1e7, NOW)).group_of_jobs(WHOLE, plan) is group
        assert (plan.groups[group].archives, plan.all.bytes) == (1, SIZE)
    plan, lost = Plan(), frozenset({range_key("one", 0, TO_THE_END)})
    for planner in (
        Planner(ListedJobs(), Fetching(1e7, NOW)),
        Planner(ListedJobs(), Fetching(1e7, NOW), lost=lost),
        Planner(ListedJobs(), Fetching(1e7, NOW), largest=1),
    ):
        assert planner.group_of_jobs(WHOLE, plan) is None
    assert plan == Plan()


def test_what_is_cached_is_not_fetched():
    rest = Rest(SIZE, LATER)
    there = Available(frozenset({"one"}), {"one": rest})
    assert planned([made_job(JobState.SUCCEEDED)], there) == (Group.CACHED, set())
    assert planned([], Available(frozenset({"other"}), {"other": rest})) == (
        Group.REQUESTED,
        set(),
    )
