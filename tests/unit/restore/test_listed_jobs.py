"""A list of jobs of any length: what is found in it, and the memory that it takes."""

import tracemalloc
from datetime import timedelta

from casfs.model import JobState
from casfs.restore.listed_jobs import Fetching, ListedJobs, facts_of
from tests.support.restore_jobs import NOW, made_job

FETCHING = Fetching(1e7, NOW)


def test_jobs_are_found_as_they_were_listed():
    odd = made_job(JobState.FAILED, name="odd \ud800", archive="\udcff", reason="why \udc80")
    late = made_job(JobState.SUCCEEDED, name="late", left=timedelta(microseconds=1))
    huge = made_job(name="huge", archive="huge", size=1 << 64)
    jobs = ListedJobs([odd, late, huge])
    assert (jobs.get(odd.id), jobs.get(late.id)) == (facts_of(odd), facts_of(late))
    assert ("late" in jobs, "other" in jobs, len(jobs)) == (True, False, 3)
    # A job that has failed brings nothing.
    assert jobs.adoptable("\udcff", 0, 9, 100, FETCHING) is None
    assert jobs.adoptable("huge", 0, 99, 100, FETCHING) is not None
    assert (len(ListedJobs()), ListedJobs().get("late")) == (0, None)


def test_a_job_that_is_listed_again_counts_once_and_as_at_first():
    jobs = ListedJobs()
    jobs.add(made_job(name="one"))
    assert len(jobs) == 1
    for state in (JobState.SUCCEEDED, JobState.RUNNING):
        jobs.add(made_job(state, name="one"))
        jobs.add(made_job(state, name="two", archive="two"))
    found = jobs.get("one")
    assert found is not None
    assert (len(jobs), found.state) == (2, JobState.RUNNING)
    two = jobs.get("two")
    assert two is not None
    assert two.state is JobState.SUCCEEDED


def test_many_jobs_take_no_memory():
    peaks = []
    for count in (1500, 4500):
        tracemalloc.start()
        try:
            jobs = ListedJobs(made_job(name=f"{n:092}", archive=f"{n:0138}") for n in range(count))
            assert len(jobs) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # Each takes nearly a thousand bytes otherwise.
    assert peaks[1] - peaks[0] < 3000 * 100, peaks
