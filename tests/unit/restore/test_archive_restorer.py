"""What is looked up ahead of a restore, and for how long that counts."""

from types import SimpleNamespace
from typing import Any

import pytest

from casfs.errors import ExpiredError
from casfs.restore import archive_restorer
from casfs.restore.archive_restorer import ArchiveRestorer
from casfs.restore.work_items import WorkItem


class Restorable:
    """The outputs of a vault, and how they were looked up."""

    def __init__(self) -> None:
        self.together: list[list[str]] = []
        self.alone: list[str] = []

    def outputs(self, vault, archives):
        self.together.append(archives)
        return {archive: SimpleNamespace(sources=()) for archive in archives if archive != "gone"}

    def output(self, vault, archive):
        self.alone.append(archive)
        raise ExpiredError("gone")


@pytest.fixture
def restorer(monkeypatch):
    names = ("files", "tree", "recorder", "algorithm", "mode", "overwrite", "told", "delivered")
    others: dict[str, Any] = dict.fromkeys(names)
    others["worklist"] = SimpleNamespace(note_lost=lambda archive: None)
    others["gone"] = lambda jobs: None
    client: Any = SimpleNamespace(restorable=Restorable())
    monkeypatch.setattr(ArchiveRestorer, "_restore_from", lambda *_: None)
    return ArchiveRestorer(client=client, vault="photos", **others)


def item(number, archive):
    return WorkItem(number, archive, archive, 1, 0, None, None, None, None, False)


def test_archives_are_looked_up_together_and_used_once(restorer, monkeypatch):
    known, gone = item(1, "known"), item(2, "gone")
    restorer.prepare([known, gone])
    restorer.restore(known, lambda size: None)
    found = restorer.client.restorable
    assert (found.together, found.alone) == ([["known", "gone"]], [])
    # What the service has no more is found out, and what was used is looked up again.
    for one in (gone, known):
        with pytest.raises(ExpiredError):
            restorer.restore(one, lambda size: None)
    assert found.alone == ["gone", "known"]


def test_what_was_looked_up_long_ago_is_looked_up_again(restorer, monkeypatch):
    known = item(1, "known")
    restorer.prepare([known])
    monkeypatch.setattr(archive_restorer, "_CURRENT", -1.0)
    with pytest.raises(ExpiredError):
        restorer.restore(known, lambda size: None)


def output(job):
    return SimpleNamespace(sources=(SimpleNamespace(job_id=job),))


class Jobs:
    """The output of every archive, which one job brings at a time."""

    def __init__(self) -> None:
        self.job = "old"

    def outputs(self, vault, archives):
        return dict.fromkeys(archives, output(self.job))

    def output(self, vault, archive):
        return output(self.job)


@pytest.fixture
def jobs(restorer, monkeypatch):
    def fetch(self, item, found, note):
        if found.sources[0].job_id == "old":
            raise ExpiredError("gone")

    monkeypatch.setattr(ArchiveRestorer, "_restore_from", fetch)
    restorer.client.restorable = Jobs()
    return restorer.client.restorable


def test_a_job_that_is_gone_is_not_asked_again_when_another_brings_the_archive(restorer, jobs):
    one = item(1, "one")
    with pytest.raises(ExpiredError) as met:
        restorer.restore(one, lambda size: None)
    # Another lane took it before it was looked up, which ends only now.
    restorer.prepare([one])
    assert restorer.expired(one, met.value)
    jobs.job = "new"
    restorer.restore(one, lambda size: None)


def test_what_was_looked_up_too_late_is_forgotten(restorer, jobs, monkeypatch):
    jobs.job = "new"
    monkeypatch.setattr(archive_restorer, "_CURRENT", 0.0)
    for number in range(1000):
        one = item(number, "one")
        restorer.restore(one, lambda size: None)
        restorer.prepare([one])
    assert len(restorer._outputs) < 100
