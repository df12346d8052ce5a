"""The state of an archive is what somebody must know who is to copy it in time."""

from datetime import UTC, datetime, timedelta

import pytest

from casfs.model import JobState
from casfs.tree.archives.states import ArchiveState, condition
from casfs.tree.coverage import joined_output
from tests.support.archive import MIB
from tests.support.jobs import ORIGIN
from tests.support.vaults import archive, job, vaults_at

NOW = datetime(2024, 1, 2, tzinfo=UTC)
SIZE = 4 * MIB
COLD, EXPIRING, READABLE = ArchiveState.COLD, ArchiveState.EXPIRING, ArchiveState.READABLE
RETAINED, RUNNING = ArchiveState.RETAINED, ArchiveState.RUNNING


def covers(jobs):
    return joined_output(jobs, SIZE, None, ORIGIN) is not None


@pytest.fixture
def vaults(tmp_path):
    with vaults_at(tmp_path / "c.sqlite", covers) as made:
        made.take("i", [archive(name, f"dir/{name}", size=SIZE) for name in ("1", "2", "3")])
        yield made


def job_of(name, archive_id, left=None, first=0, stop=4, **facts):
    """A job for a range, in MiB, with so many hours left."""
    completed = None if left is None else (NOW - timedelta(hours=24 - left)).isoformat()
    facts.setdefault("CompletionDate", completed)
    span = f"{first * MIB}-{stop * MIB - 1}"
    return job(name, archive_id, ArchiveSizeInBytes=SIZE, RetrievalByteRange=span, **facts)


def run(name, archive_id, **facts):
    return job_of(name, archive_id, StatusCode="InProgress", **facts)


def state(vaults, archive_id):
    found = vaults.archives.by_id("v", archive_id)
    return condition(found, vaults.jobs.of("v", [archive_id]).get(archive_id, []), NOW)


def hours_left(vaults, archive_id="1"):
    """The state of an archive, and the hours that are left."""
    found = state(vaults, archive_id)
    left = None if found.expires is None else (found.expires - NOW) / timedelta(hours=1)
    return found.state, left


def test_states_of_archives(vaults):
    vaults.list_jobs(
        job_of("j", "1", 7),
        run("k", "2", CreationDate=(NOW - timedelta(hours=3)).isoformat(), Tier="Bulk"),
        run("l", "2", CreationDate=(NOW - timedelta(hours=2)).isoformat(), Tier="Expedited"),
    )
    assert hours_left(vaults, "1") == (READABLE, 7)
    running = state(vaults, "2")
    assert running.state is RUNNING
    assert running.ready == NOW + timedelta(hours=12 - 3)
    assert state(vaults, "3").state is COLD


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ([2.5], (EXPIRING, 2.5)),
        ([2.5, 23], (READABLE, 23)),
        ([-1], (EXPIRING, -1)),
        ([None], (READABLE, None)),
    ],
)
def test_an_archive_is_expiring_when_the_last_job_for_it_is(vaults, left, expected):
    vaults.list_jobs(*(job_of(f"j{n}", "1", hours) for n, hours in enumerate(left)))
    assert hours_left(vaults) == expected


def test_an_archive_of_ranges_is_expiring_when_the_first_of_them_is(vaults):
    vaults.list_jobs(job_of("j", "1", 2, 0, 2), job_of("k", "1", 23, 2, 4))
    assert hours_left(vaults) == (EXPIRING, 2)


@pytest.mark.parametrize("first", [(0, 4), (0, 2), (1, 3)])
def test_ranges_that_cover_an_archive_outlast_a_job_that_expires_sooner(vaults, first):
    lasting = job_of("left", "1", 20, 0, 2), job_of("right", "1", 21, 2, 4)
    vaults.list_jobs(job_of("old", "1", 1, *first), *lasting)
    assert hours_left(vaults) == (READABLE, 20)


def test_a_whole_job_outlasts_ranges_that_expire_sooner(vaults):
    vaults.list_jobs(job_of("left", "1", 1, 0, 2), job_of("all", "1", 20))
    assert hours_left(vaults) == (READABLE, 20)


def forget_in_list(vaults, *jobs):
    """List only these jobs, while what others brought is in the cache."""
    vaults.catalog.list_jobs("v", jobs, 2.0)


def test_a_job_that_is_not_listed_any_more_retains_its_archive(vaults):
    vaults.list_jobs(job_of("j", "1", 5))
    forget_in_list(vaults)
    assert hours_left(vaults) == (RETAINED, None)
    (known,) = vaults.jobs.of("v", ["1"])["1"]
    assert (known.retained, known.job.state) == (True, JobState.SUCCEEDED)


@pytest.mark.parametrize(("left", "expected"), [(2, EXPIRING), (20, READABLE)])
def test_an_archive_is_not_retained_while_the_service_has_a_half_that_it_needs(
    vaults, left, expected
):
    half = job_of("right", "1", left, 2, 4)
    vaults.list_jobs(job_of("left", "1", 0, 0, 2), half)
    forget_in_list(vaults, half)
    assert hours_left(vaults) == (expected, left)


def test_an_archive_is_retained_though_the_service_has_a_half_that_it_does_not_need(vaults):
    half = job_of("right", "1", 2, 2, 4)
    vaults.list_jobs(job_of("all", "1", 0), half)
    forget_in_list(vaults, half)
    assert hours_left(vaults) == (RETAINED, None)


def test_what_the_service_has_alone_is_not_called_retained(vaults):
    listed = job_of("left", "1", 3, 0, 2), job_of("right", "1", 2, 2, 4)
    vaults.list_jobs(job_of("all", "1", 0), *listed)
    forget_in_list(vaults, *listed)
    assert hours_left(vaults) == (EXPIRING, 2)


def test_jobs_that_contradict_each_other_are_all_there_until_the_first_expires(vaults):
    vaults.list_jobs(
        job_of("j", "1", 20, ArchiveSHA256TreeHash="cd" * 32),
        job_of("k", "1", 3, ArchiveSHA256TreeHash="ef" * 32),
    )
    assert hours_left(vaults) == (EXPIRING, 3)


def test_runs_of_unknown_age_have_a_state(vaults):
    vaults.list_jobs(run("k", "2", CreationDate=None), run("l", "2", CreationDate=None))
    assert state(vaults, "2").state is RUNNING
