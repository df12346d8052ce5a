"""The report of a restore of very many archives: work in proportion, and no more memory."""

import os
import sys
import tracemalloc
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import pytest

from benchmarks.many_archives import write_manifest
from casfs.cli.main import casfs

FEW, MANY = 200, 2000
_MOST_CALLS = 110
"""Calls of functions for each archive: the manifest is read twice, and no more."""
_ROOM = 1 << 19
"""Bytes: the lines that are more have three times as many."""


@pytest.fixture(scope="module")
def destinations(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    root = tmp_path_factory.mktemp("restored")
    for count in (FEW, MANY):
        write_manifest(root / str(count), count)
    return {count: root / str(count) for count in (FEW, MANY)}


COMMANDS = (["report", "--json"], ["verify", "--json", "--restored"])


def run(command: list[str], destination: Path) -> None:
    # No file is there, so that `verify` ends with 3.
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        suppress(SystemExit),
    ):
        casfs([*command, str(destination)], standalone_mode=False)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_memory_does_not_grow_with_the_archives(destinations, command):
    run(command, destinations[FEW])
    peaks = []
    for count in (FEW, MANY):
        tracemalloc.start()
        try:
            run(command, destinations[count])
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < _ROOM, peaks


def test_the_work_of_a_report_grows_with_the_archives_alone(destinations):
    calls = []
    for count in (FEW, MANY):
        found = 0

        def note(frame, event, argument):
            nonlocal found
            found += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            run(COMMANDS[0], destinations[count])
        finally:
            sys.setprofile(None)
        calls.append(found)
    assert calls[1] - calls[0] < (MANY - FEW) * _MOST_CALLS, calls
