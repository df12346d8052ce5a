"""What becomes of requests, by a complete list: never sent again before that is certain."""

from dataclasses import replace
from datetime import timedelta

import pytest

from casfs.ledger.request import TO_THE_END, Request, RequestState
from casfs.model import JobKind, JobState
from casfs.restore.listed_jobs import Fetching, ListedJobs
from casfs.restore.settling import Settling
from tests.support.restore_jobs import NOW, made_job

GIB = 1 << 30
TIB = 1 << 40
TOKEN = "casfs-0123456789abcdef"
PATIENCE = timedelta(minutes=10)
SENDING = timedelta(minutes=2)

REQUEST = Request(
    1, "photos", "archive", "one", 0, 99, 100, "standard", TOKEN, RequestState.INTENDED, "run", 1,
    NOW - timedelta(minutes=20), None, None, None, None, None, "boot", 0.0,
)  # fmt: skip


def settled(request, *jobs, elapsed=timedelta(minutes=20), sending=False, rate=1e7):
    found = Settling(ListedJobs(jobs), Fetching(rate, NOW), PATIENCE, SENDING)
    return found.settle(request, elapsed, sending)


def test_a_job_with_our_token_is_ours_if_it_brings_what_was_requested():
    found = settled(REQUEST, made_job(token=f"restore {TOKEN}"))
    assert (found.state, found.job) == (RequestState.STARTED, "job-1")
    another = made_job(name="job-2", token=TOKEN, archive="another")
    assert settled(REQUEST, another).job is None
    assert settled(REQUEST, made_job(token=TOKEN, first=50)).job is None
    inventory = replace(made_job(token=TOKEN), kind=JobKind.INVENTORY)
    assert settled(REQUEST, inventory).job is None
    assert settled(REQUEST, made_job(token=TOKEN), another).job == "job-1"
    wanted = replace(REQUEST, kind="inventory", archive="[]", last=TO_THE_END, size=0)
    assert settled(wanted, inventory).job == "job-1"
    assert settled(wanted, another).job is None


@pytest.mark.parametrize(
    ("state", "needed"),
    # Nobody knows when a process that was killed sent it.
    [(RequestState.INTENDED, PATIENCE + SENDING), (RequestState.UNCERTAIN, PATIENCE)],
)
def test_what_no_list_shows_in_time_was_not_accepted(state, needed):
    request = replace(REQUEST, state=state)
    early = settled(request, elapsed=needed - timedelta(seconds=1))
    assert early.state is RequestState.UNCERTAIN
    assert settled(request, elapsed=needed).state is RequestState.REFUSED


def test_what_its_process_may_be_about_to_send_is_left_alone():
    assert settled(REQUEST, sending=True).state is RequestState.INTENDED


def test_what_was_never_answered_for_a_day_counts_as_paid():
    assert settled(REQUEST, elapsed=timedelta(days=2)).state is RequestState.EXPIRED


def test_a_job_for_the_archive_made_since_is_ours_where_descriptions_are_lost():
    ready = made_job(JobState.SUCCEEDED, age=timedelta(minutes=5))
    assert settled(REQUEST, ready).state is RequestState.READABLE
    old = made_job(JobState.SUCCEEDED, age=timedelta(hours=9))
    assert settled(REQUEST, old).state is RequestState.REFUSED


def test_a_job_that_failed_is_lost_with_the_reason_of_the_service():
    found = settled(REQUEST, made_job(JobState.FAILED, token=TOKEN, reason="no tape"))
    assert (found.state, found.reason) == (RequestState.FAILED, "no tape")


def test_a_started_job_that_no_list_shows_is_asked_for():
    request = replace(REQUEST, state=RequestState.STARTED, job="job-1")
    found = settled(request)
    assert (found.state, found.gone) == (RequestState.STARTED, True)
    assert not settled(request, elapsed=timedelta(seconds=1)).gone
    readable = replace(request, state=RequestState.READABLE)
    # Lists show new jobs late, and old ones not at all.
    for after in (timedelta(seconds=1), timedelta(minutes=20)):
        found = settled(readable, elapsed=after)
        assert (found.state, found.gone) == (RequestState.READABLE, True)


@pytest.mark.parametrize("state", [RequestState.STARTED, RequestState.READABLE])
@pytest.mark.parametrize(("tier", "hours"), [("standard", 5), ("bulk", 12)])
def test_a_job_whose_output_must_have_expired_is_not_asked_for(state, tier, hours):
    request = replace(REQUEST, state=state, job="job-1", tier=tier)
    young, old = timedelta(hours=hours + 24), timedelta(hours=hours + 49)
    assert settled(request, elapsed=young).gone
    found = settled(request, elapsed=old)
    assert (found.state, found.gone) == (RequestState.EXPIRED, False)


def test_an_output_that_cannot_be_fetched_in_time_is_late_and_not_expired():
    request = replace(REQUEST, size=100 * GIB, job="job-1", state=RequestState.STARTED)
    ready = made_job(JobState.SUCCEEDED, left=timedelta(hours=2))
    found = settled(request, ready)
    assert (found.state, found.late) == (RequestState.READABLE, True)
    assert not settled(request, ready, rate=1e9).late
    over = settled(request, made_job(JobState.SUCCEEDED, left=timedelta(0)))
    assert (over.state, over.late) == (RequestState.EXPIRED, False)


@pytest.mark.parametrize(
    ("size", "left", "enough"),
    [
        (100, timedelta(minutes=2), True),
        (100, timedelta(seconds=30), False),
        (4 * TIB, timedelta(minutes=2), False),
        (4 * TIB, timedelta(hours=11), False),
        # Nothing fetches it in a day: a fresh job would not do either.
        (4 * TIB, timedelta(hours=13), True),
        (100 * GIB, timedelta(hours=4), True),
        (100 * GIB, timedelta(hours=2), False),
    ],
)
def test_a_job_is_adopted_if_it_can_be_fetched_in_time(size, left, enough):
    jobs = ListedJobs([made_job(JobState.SUCCEEDED, size=size, whole=size, left=left)])
    found = jobs.adoptable("one", 0, size - 1, size, Fetching(1e7, NOW))
    assert (found is not None) is enough


@pytest.mark.parametrize(
    ("first", "size", "wanted", "adopted"),
    [
        (0, 100, (0, 99), True),
        (0, 100, (0, TO_THE_END), True),
        (0, 50, (0, 49), True),
        (0, 50, (0, 50), False),
        (0, 50, (0, TO_THE_END), False),
        (50, 50, (60, 70), True),
        (50, 50, (49, 70), False),
    ],
)
def test_a_job_of_a_covering_range_is_adopted(first, size, wanted, adopted):
    jobs = ListedJobs([made_job(first=first, size=size)])
    found = jobs.adoptable("one", wanted[0], wanted[1], None, Fetching(1e7, NOW))
    assert (found is not None) is adopted


def test_a_job_of_a_range_that_is_all_of_the_archive_is_adopted():
    jobs = ListedJobs([made_job(size=100, whole=None)])
    assert jobs.adoptable("one", 0, TO_THE_END, 100, Fetching(1e7, NOW)) is not None
    assert jobs.adoptable("one", 0, TO_THE_END, 101, Fetching(1e7, NOW)) is None


def test_the_job_that_lives_longest_is_adopted_before_one_that_runs():
    short = made_job(JobState.SUCCEEDED, name="short", left=timedelta(hours=1))
    long = made_job(JobState.SUCCEEDED, name="long", left=timedelta(hours=9))
    jobs = ListedJobs([made_job(name="running"), short, long])
    found = jobs.adoptable("one", 0, 99, 100, Fetching(1e7, NOW))
    assert found is not None
    assert found.id == "long"
