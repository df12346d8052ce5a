"""`casfs fetch` that is killed or interrupted, or that nobody listens to any more.

The emulator notices only some time later that whoever asked for an output is gone, and logs that
answer then: nobody else may count what a service of these tests has sent.
"""

import json
import os
import signal
import subprocess
import time

import pytest

from casfs.ranges import BLOCK_SIZE as MIB
from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, serving
from tests.support.emulator.running import KEYS, running_anew
from tests.support.processes import wait_until
from tests.support.schemas import checked_lines
from tests.system.cli.conftest import command_in

SIZE = 40 * MIB


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    sizes = {"small": 1, "block": MIB, "large": SIZE}
    with serving("cas", tmp_path_factory.mktemp("interrupted"), sizes) as running:
        yield running


@pytest.fixture
def casfs(service, tmp_path):
    return command_in(tmp_path, service.emulator.url)


def cached(casfs):
    return sum(item["cached"] for item in json.loads(casfs("cache", "ls", "--json").stdout))


def begin(service, folder, *arguments):
    """Start a command in the folder of `command_in`; returns the process."""
    environment = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        "CASFS_ENDPOINT": service.emulator.url,
        "CASFS_CACHE_DIR": str(folder / "cache"),
        "CASFS_CONFIG": str(folder / "config.toml"),
        "HOME": str(folder),
        **KEYS,
    }
    return subprocess.Popen(
        [CASFS, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_kill_costs_no_block_that_was_written(tmp_path):
    """`kill -9` in the middle; what is on disk then is not asked for again."""
    with serving("cas", tmp_path / "service", {"large": SIZE}) as service:
        casfs, job = command_in(tmp_path, service.emulator.url), service.jobs["large"]
        process = begin(service, tmp_path, "fetch", VAULT, job, "--bwlimit", "20M")
        wait_until(lambda: len(list((tmp_path / "cache").rglob("blocks-1/*/*/0/*"))) >= 8, "blocks")
        process.kill()
        process.communicate(timeout=60)
        kept = cached(casfs)
        assert 8 * MIB <= kept < SIZE
        with running_anew(service.emulator) as emulator:
            asked = len(emulator.outputs())
            done = casfs("fetch", VAULT, job, "--json")
            assert (done.returncode, cached(casfs)) == (0, SIZE)
            assert sum(answer.bytes for answer in emulator.outputs()[asked:]) == SIZE - kept
        lines = checked_lines(done.stdout)
        (plan,) = [line for line in lines if line["message_type"] == "plan"]
        assert plan["to_fetch"] == {"files": 1, "bytes": SIZE, "missing": SIZE - kept}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_what_came_stays(casfs, service, tmp_path, number, status):
    job = service.jobs["large"]
    process = begin(service, tmp_path, "fetch", VAULT, job, "--bwlimit", "4M", "--json")
    wait_until(lambda: list((tmp_path / "cache").rglob("blocks-1/*/*/0/*")), "a block")
    begun = time.monotonic()
    process.send_signal(number)
    output, said = process.communicate(timeout=60)
    # Nobody waits for the limit's turn, or for the service.
    assert time.monotonic() - begun < 10
    assert (process.returncode, b"run the same command again" in said) == (status, True)
    assert checked_lines(output)[-1]["code"] == status
    assert cached(casfs) > 0


def test_a_pipe_that_closes_ends_it_quietly(casfs, service, tmp_path):
    process = begin(service, tmp_path, "fetch", VAULT, "--all", "--json", "--stats", "0.05")
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(60) == 1
    assert b"Traceback" not in said
    assert b"Broken" not in said
    process.stderr.close()
