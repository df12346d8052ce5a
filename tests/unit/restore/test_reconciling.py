"""The ledger after a list of jobs: what others do meanwhile is neither undone nor sent again."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from casfs.ledger.request import RequestState
from casfs.model import JobState
from casfs.restore.clock import now
from casfs.restore.listed_jobs import Fetching, ListedJobs
from casfs.restore.reconciling import reconcile
from casfs.restore.settling import Settling
from tests.support.ledgers import intended, ledger
from tests.support.restore_jobs import made_job


def settling(*jobs, patience=timedelta(0)):
    return Settling(ListedJobs(jobs), Fetching(1e7, datetime.now(UTC)), patience, timedelta(0))


def nothing(_):
    return None


def states(one):
    return {request.archive: request.state for request in one.open_requests()}


def test_what_a_dead_process_left_may_be_requested_again_once_that_is_certain(tmp_path):
    with closing(ledger(tmp_path)) as dead:
        run = dead.run_of("all")
        intended(dead, run)
    with closing(ledger(tmp_path)) as one:
        early = reconcile(one, settling(patience=timedelta(hours=1)), now(), nothing)
        assert [request.state for request in early.open] == [RequestState.UNCERTAIN]
        assert reconcile(one, settling(), now(), nothing).refused != []
        assert states(one) == {}
        assert one.spent(run)[0].jobs == 0


def test_what_a_running_process_is_about_to_send_is_left_alone(tmp_path):
    with closing(ledger(tmp_path)) as one:
        intended(one, one.run_of("all"))
        assert reconcile(one, settling(), now(), nothing).refused == []
        assert states(one) == {"one": RequestState.INTENDED}


def test_what_others_found_out_meanwhile_stays(tmp_path):
    with closing(ledger(tmp_path)) as one:
        request = intended(one, one.run_of("all"))
        one.note(request, RequestState.UNCERTAIN)
        uncertain = one.request(request.number)
        one.note(request, RequestState.STARTED, "job-1")
        one.note_settled([(uncertain, RequestState.REFUSED, None, "no list shows it")])
        assert states(one) == {"one": RequestState.STARTED}


def test_a_job_that_no_list_shows_is_asked_for_and_gone_only_if_the_service_says_so(tmp_path):
    asked = []

    def describe(job_id):
        asked.append(job_id)
        return made_job(name=job_id) if len(asked) == 1 else None

    with closing(ledger(tmp_path)) as one:
        request = intended(one, one.run_of("all"))
        one.note(request, RequestState.STARTED, "job-1")
        assert [found.job for found in reconcile(one, settling(), now(), describe).open] == [
            "job-1"
        ]
        lost = reconcile(one, settling(), now(), describe).lost
        assert [settled.state for _, settled in lost] == [RequestState.EXPIRED]
        assert asked == ["job-1", "job-1"]


def test_a_readable_job_is_noted(tmp_path):
    with closing(ledger(tmp_path)) as one:
        request = intended(one, one.run_of("all"))
        done = replace(
            made_job(JobState.SUCCEEDED, token=request.token), completed=datetime.now(UTC)
        )
        found = reconcile(one, settling(done), now(), nothing)
        assert (found.open, found.lost, found.refused) == ([], [], [])
        assert states(one) == {"one": RequestState.READABLE}


def test_what_expires_too_soon_is_told_and_recorded_as_readable(tmp_path):
    with closing(ledger(tmp_path)) as one:
        request = intended(one, one.run_of("all"))
        done = replace(
            made_job(JobState.SUCCEEDED, token=request.token, size=100),
            completed=datetime.now(UTC) - timedelta(hours=23, minutes=59, seconds=30),
        )
        found = reconcile(one, settling(done), now(), nothing)
        assert [late.number for late in found.late] == [request.number]
        assert (found.open, found.lost, found.refused) == ([], [], [])
        assert states(one) == {"one": RequestState.READABLE}


@pytest.mark.parametrize(("there", "asked"), [(False, 100), (True, 120)])
def test_jobs_that_a_list_lacks_are_asked_for_until_that_is_clear(tmp_path, there, asked):
    names: list[str] = []

    def describe(job_id):
        names.append(job_id)
        return made_job(name=job_id) if there and len(names) == 1 else None

    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        for number in range(120):
            request = intended(one, run, f"archive-{number}")
            one.note(request, RequestState.READABLE, f"job-{number}")
        moment = now()
        later = replace(moment, uptime=moment.uptime + 30 * 3600)
        found = reconcile(one, settling(), later, describe)
        assert len(found.lost) == 120 - there
        assert len(names) == asked
