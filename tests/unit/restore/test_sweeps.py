"""One list of jobs serves all processes that wait; a list that cannot be shared is made anyway."""

import json
import threading
from datetime import UTC, datetime

import pytest

from casfs.errors import UnreachableError
from casfs.job_requests import Tier
from casfs.model import Job, JobKind, JobState
from casfs.restore import sweeps
from casfs.restore.clock import Moment, now
from casfs.restore.sweeps import ListedJob, Sweeps

CREATED = datetime(2026, 11, 29, 12, tzinfo=UTC)


def job(name="J", state=JobState.RUNNING, **facts):
    completed = None if state is JobState.RUNNING else CREATED
    raw = json.dumps({"Tier": "Bulk", "StatusMessage": "so it is", **facts})
    kind = JobKind.ARCHIVE
    return Job("v", name, kind, state, CREATED, completed, "", "A", 5, 0, 5, None, raw)


def shared(directory, ask, account="account", vault="v"):
    return Sweeps(directory, account, vault, ask, 20.0)


class Counted:
    def __init__(self, *jobs):
        self.jobs = list(jobs)
        self.asked = 0

    def __call__(self, deadline):
        self.asked += 1
        return self.jobs


def test_what_a_list_tells_survives_the_file(tmp_path):
    jobs = [job("a"), job("b", JobState.FAILED), job("c", JobState.SUCCEEDED, Tier=None)]
    ask = Counted(*jobs)
    first = shared(tmp_path / "state", ask).jobs(0.0)
    assert shared(tmp_path / "state", ask).jobs(60.0) == first
    assert ask.asked == 1
    assert [one.message for one in first] == ["", "so it is", ""]
    assert [one.tier for one in first] == [Tier.BULK, Tier.BULK, None]
    assert first == [ListedJob.of(one) for one in jobs]


def test_an_older_list_is_made_again(tmp_path, monkeypatch):
    ask = Counted(job())
    one = shared(tmp_path, ask)
    one.jobs(0.0)
    one.jobs(0.0)
    assert ask.asked == 2
    # After a restart of the machine nobody knows how old it is.
    there = Moment(CREATED, "another boot", now().uptime)
    monkeypatch.setattr(sweeps, "now", lambda: there)
    one.jobs(60.0)
    assert ask.asked == 3


def test_other_vaults_and_accounts_have_lists_of_their_own(tmp_path):
    ask = Counted(job())
    shared(tmp_path, ask).jobs(60.0)
    shared(tmp_path, ask, vault="w").jobs(60.0)
    shared(tmp_path, ask, account="other").jobs(60.0)
    assert ask.asked == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1, "jobs": [1]}'])
def test_a_file_that_cannot_be_understood_is_replaced(tmp_path, text):
    ask = Counted(job())
    one = shared(tmp_path, ask)
    one.jobs(0.0)
    (file,) = (tmp_path / "sweeps").glob("*.json")
    file.write_text(text)
    assert one.jobs(60.0) == [ListedJob.of(job())]
    assert ask.asked == 2


def test_a_list_that_cannot_be_shared_is_made(tmp_path):
    ask = Counted(job())
    (tmp_path / "sweeps").write_text("in the way")
    assert shared(None, ask).jobs(60.0) == [ListedJob.of(job())]
    (tmp_path / "state").write_text("in the way")
    assert shared(tmp_path / "state", ask).jobs(60.0) == [ListedJob.of(job())]


def test_a_failure_is_not_shared(tmp_path):
    def fail(deadline):
        raise UnreachableError("no")

    with pytest.raises(UnreachableError):
        shared(tmp_path, fail).jobs(60.0)
    ask = Counted(job())
    assert shared(tmp_path, ask).jobs(60.0) == [ListedJob.of(job())]


def test_who_comes_while_another_asks_gets_its_list(tmp_path):
    asking, go = threading.Event(), threading.Event()

    def slow(deadline):
        asking.set()
        assert go.wait(20)
        return [job("shared")]

    found = []
    first = threading.Thread(target=lambda: found.append(shared(tmp_path, slow).jobs(0.0)))
    ask = Counted(job("again"))
    second = threading.Thread(target=lambda: found.append(shared(tmp_path, ask).jobs(60.0)))
    first.start()
    assert asking.wait(20)
    second.start()
    go.set()
    first.join()
    second.join()
    assert [[one.id for one in jobs] for jobs in found] == [["shared"], ["shared"]]
    assert ask.asked == 0
