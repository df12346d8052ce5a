"""The plan for very many archives takes no more memory than that for a few."""

import os
import tracemalloc
from contextlib import redirect_stderr, redirect_stdout

from casfs.cli.main import casfs
from casfs.client import Client
from casfs.config import load
from tests.support.many_archives import catalog_many
from tests.support.restores import VAULT, restores

FEW, MANY = 1200, 3000
"""More than what is written or read at a time, which is a thousand."""
_ROOM = 1 << 19
"""Bytes: the archives that are more would take five times as many."""


def peak(destination) -> int:
    """The most memory that making a plan takes."""
    tracemalloc.start()
    try:
        with (
            open(os.devnull, "w") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
        ):
            casfs(["restore", VAULT, str(destination), "-n"], standalone_mode=False)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_plan_for_many_archives_takes_no_more_memory(tmp_path, monkeypatch):
    with restores(tmp_path, {"a": 1}) as vault:
        for name, value in vault.environment.items():
            monkeypatch.setenv(name, value)
        peaks = []
        for count in (1, FEW, MANY):
            with Client(load()) as client:
                client.retrievals.vault(VAULT)
                catalog_many(client, VAULT, count)
            peaks.append(peak(tmp_path / "dest"))
        # The first one has loaded modules.
        assert peaks[2] - peaks[1] < _ROOM, peaks
