"""What a mount costs counts all of its processes."""

import subprocess
import sys

import pytest

from benchmarks import processes
from benchmarks.processes import BenchmarkError

MEMORY = 64 << 20
BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BUSY!r}], check=True)
running = subprocess.Popen(
    [sys.executable, "-c", {BUSY + "print(flush=True); input()"!r}],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
)
running.stdout.readline()
print(flush=True)
input()
running.communicate(b"\\n")
"""


def test_processor_time_counts_children_that_run_and_that_have_ended():
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        seconds = processes.cpu_seconds(parent.pid)
        parent.communicate(b"\n")
    # Each of them is told in whole ticks of 10 ms, rounded down; without either child it is 0.3.
    assert seconds >= 0.5


def test_processor_time_of_a_process_that_has_ended_is_refused():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(BenchmarkError, match="has ended"):
        processes.cpu_seconds(process.pid)


def test_what_a_program_takes_is_measured_from_its_start_to_its_end(tmp_path):
    memory = f"filled = bytearray({MEMORY}); import time\n"
    command = [sys.executable, "-c", f"{memory}{BUSY}time.sleep(0.1)"]
    usage = processes.run_measured(command, tmp_path / "log", {"PYTHONDONTWRITEBYTECODE": "1"})
    assert usage.cpu >= 0.3
    assert usage.seconds >= 0.4
    assert MEMORY < usage.memory < 2 * MEMORY


def test_a_program_that_fails_is_told_of_with_what_it_said(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no such vault')"]
    with pytest.raises(BenchmarkError, match="status 1: no such vault"):
        processes.run_measured(command, tmp_path / "log")
