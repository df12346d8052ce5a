"""The simulation of a process with an interpreter lock, where its result can be worked out."""

import pytest

from benchmarks.interpreter_lock import rate


def test_one_core_does_all_one_after_the_other():
    assert rate(1, locked=0.5, free=1.5, threads=8, turns=4) == pytest.approx(1 / 2, rel=0.05)


def test_many_cores_wait_for_the_lock():
    assert rate(64, locked=0.5, free=1.5, threads=64, turns=4) == pytest.approx(1 / 0.5, rel=0.05)


def test_without_the_lock_the_cores_count():
    assert rate(4, locked=1e-6, free=2, threads=64, turns=4) == pytest.approx(4 / 2, rel=0.05)
