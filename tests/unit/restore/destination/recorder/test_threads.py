"""Threads of a restore never die unseen: whoever waits for them is told."""

import os
import sqlite3
import threading

import pytest

from casfs.client import RestorableFile
from casfs.errors import CasfsError, DestinationFullError, ExpiredError, LedgerError
from casfs.restore.destination.manifest import ManifestLine, ManifestWriter
from casfs.restore.destination.opened_tree import OpenedTree
from casfs.restore.destination.recorder import Recorded, Recorder
from casfs.restore.fetch_lanes import Fetcher
from casfs.restore.fetch_order import Lanes
from casfs.restore.work_items import Stage
from casfs.restore.worklist import Worklist

SOON = 3.0
LINE = ManifestLine(path="a", archive="1", state="verified", size=1)


def ends(work):
    """Return what something raises that must not wait for ever, None if it raises nothing."""
    found = []

    def run():
        try:
            work()
        except CasfsError as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON)
    assert not thread.is_alive(), "it waits for ever"
    return found[0] if found else None


@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), sqlite3.OperationalError("disk full")]
)
def test_whoever_waits_for_a_record_learns_what_ended_the_recorder(tmp_path, error):
    path = tmp_path / "manifest.jsonl"
    told: list[CasfsError] = []
    writer = ManifestWriter(os.open(path, os.O_RDWR | os.O_CREAT), path, {"vault": "photos"})
    recorder = Recorder(writer, OpenedTree(tmp_path), told.append)

    def after():
        raise error

    def fill():
        for _ in range(2000):
            recorder.add(Recorded(LINE, None, after))

    assert isinstance(ends(fill), CasfsError)
    assert isinstance(ends(recorder.drain), CasfsError)
    assert isinstance(ends(recorder.close), CasfsError)
    assert len(told) == 1
    writer.close()


def test_a_manifest_on_a_full_disk_says_so(tmp_path):
    path = tmp_path / "manifest.jsonl"
    writer = ManifestWriter(os.open(path, os.O_RDWR | os.O_CREAT), path, {"vault": "photos"})
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._file)
    os.close(full)
    with pytest.raises(DestinationFullError, match="make room and run the same command again"):
        writer.append([{"type": "archive"}])
    writer.close()


class Failing:
    def __init__(self, error):
        self.error = error

    def prepare(self, items):
        pass

    def restore(self, item, note):
        raise ExpiredError("gone")

    def expired(self, item, error):
        raise self.error

    def failed(self, item, error):
        raise AssertionError


@pytest.mark.parametrize(
    "error", [LedgerError("no room"), sqlite3.OperationalError("disk full"), OSError(5, "EIO")]
)
def test_lanes_that_cannot_go_on_stop_the_restore(error):
    with Worklist() as worklist:
        for number in range(8):
            file = RestorableFile(str(number), f"{number}.bin", 1, 0, None, 0)
            worklist.add(file, Stage.READABLE)
        fetcher = Fetcher(worklist, Failing(error), Lanes(2, 1))
        fetcher.start()
        assert fetcher.wait(SOON), "it waits for ever"
        assert isinstance(fetcher.stopped, CasfsError)
        fetcher.close(SOON)
        # Nothing is lost of sight.
        assert sum(totals.archives for totals in worklist.totals().values()) == 8


def test_a_worklist_that_fails_stops_the_restore(monkeypatch):
    with Worklist() as worklist:
        worklist.add(RestorableFile("1", "1.bin", 1, 0, None, 0), Stage.READABLE)
        fetcher = Fetcher(worklist, Failing(None), Lanes(2, 1))

        def fails(large, count):
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(worklist, "take_readable", fails)
        fetcher.start()
        assert fetcher.wait(SOON), "it waits for ever"
        assert "database or disk is full" in str(fetcher.stopped)
        fetcher.close(SOON)
