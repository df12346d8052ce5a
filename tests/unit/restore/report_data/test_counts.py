"""Whatever happens in whatever order: restored + skipped + failed + left = all."""

import json
import os
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.client import RestorableFile
from casfs.restore.destination.manifest import (
    STATES,
    ManifestLine,
    ManifestWriter,
    archive_line,
)
from casfs.restore.destination.manifest_index import ManifestIndex
from casfs.restore.report_data import report_data
from casfs.restore.work_items import Again, Stage
from casfs.restore.worklist import Worklist

NOW = datetime(2026, 11, 29, tzinfo=UTC)
NAMES = st.integers(0, 5).map(str)
SIZES = st.none() | st.integers(0, 9)
ADDED = st.sampled_from([Stage.WAITING, Stage.READABLE, Stage.SKIPPED, Stage.KEPT, Stage.FAILED])


def note(call):
    """An event of one archive."""
    return NAMES.map(lambda name: lambda work: call(work, name))


def take(work):
    for large in (False, True):
        for item in work.take_readable(large, 2):
            work.set_stage(item.number, Stage.RESTORED, 5)


def give_up(work):
    for item in work.take_readable(False, 1):
        work.note_lost(item.archive)
        work.set_stage(item.number, Stage.WAITING)


def leave(work):
    for item in work.take_readable(False, 1):
        work.set_stage(item.number, Stage.LEFT)


EVENTS = st.one_of(
    note(lambda work, name: work.note_readable(name, None, NOW)),
    note(lambda work, name: work.note_requested(name, NOW)),
    note(lambda work, name: work.note_planned(name)),
    note(lambda work, name: work.note_again(name)),
    note(lambda work, name: work.note_coming(name)),
    note(lambda work, name: work.note_lost(name)),
    note(lambda work, name: work.fail(name, "why")),
    st.just(lambda work: work.note_asked()),
    st.sampled_from([Again.LOST, Again.ASKED]).flatmap(
        lambda lost: st.sampled_from([None, "why"]).map(
            lambda why: lambda work: work.decide(lost, why)
        )
    ),
    st.sampled_from([take, give_up, leave]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES, SIZES, ADDED), max_size=8),
    st.lists(EVENTS, max_size=20),
)
def test_every_archive_is_in_exactly_one_stage(added, events):
    with Worklist() as work:
        for name, size, stage in added:
            # Two archives may be of one id: an id is only as unique as a service makes it.
            work.add(RestorableFile(name, name, size, 0, None, 0), stage)
        for event in events:
            event(work)
        rows = work._rows("SELECT stage, size FROM work")
        archives, sizes = Counter[str](), Counter[str]()
        for stage, size in rows:
            archives[stage] += 1
            sizes[stage] += size or 0
        totals = work.totals()
        assert sum(one.archives for one in totals.values()) == len(added)
        for stage, total in totals.items():
            assert (total.archives, total.bytes) == (archives[stage.value], sizes[stage.value])


LINES = st.tuples(NAMES, st.sampled_from(STATES), SIZES, st.integers(0, 9), st.integers(0, 9))
RUNS = st.lists(st.tuples(st.lists(LINES, max_size=6), st.integers(0, 60)), max_size=5)


@settings(max_examples=60, deadline=None)
@given(RUNS)
def test_a_report_counts_each_archive_once_by_its_last_line(runs):
    """Each run may have been killed while it wrote: some bytes of its last lines are missing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.jsonl"
        for lines, cut in runs:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            writer = ManifestWriter(file, path, {"vault": "photos"})
            before = os.fstat(file).st_size
            for name, state, size, fetched, cached in lines:
                line = ManifestLine(
                    path=name,
                    archive=name,
                    state=state,
                    size=size,
                    reason="why" if state == "failed" else None,
                    fetched=fetched,
                    cached=cached,
                )
                writer.append([archive_line(line)])
            os.ftruncate(file, max(before, os.fstat(file).st_size - cut))
            writer.close()
        if not runs:
            return
        text = path.read_bytes()
        whole = [ManifestLine.of(line) for line in map(parsed, text.splitlines(True)[1:]) if line]
        last = {line.path: line for line in whole}
        with ManifestIndex(path) as index:
            data = report_data(index)
        assert data.damaged == 0
        assert data.all.archives == len(last) == sum(t.archives for t in data.totals.values())
        for state, total in data.totals.items():
            of_state = [line for line in last.values() if line.state == state]
            assert total.archives == len(of_state)
            assert total.bytes == sum(line.size or 0 for line in of_state)
        assert data.fetched == sum(line.fetched for line in last.values())
        assert data.cached == sum(line.cached for line in last.values())
        failed = sum(found.archives for found in data.reasons.values())
        assert failed == data.totals["failed"].archives


def parsed(raw):
    """What a line says, None if it was cut."""
    return json.loads(raw) if raw.endswith(b"\n") else None
