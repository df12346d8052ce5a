"""`casfs wait` against the emulator."""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.command import CASFS
from tests.support.emulator.running import KEYS, running_emulator
from tests.support.processes import wait_until
from tests.support.schemas import checked_lines
from tests.system.cli.conftest import command_in

VAULT = "v"
RUNNING = 3600


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """An emulator whose jobs run for an hour, unless a test ends them."""
    root = tmp_path_factory.mktemp("slow")
    with running_emulator(root, "--job-seconds", str(RUNNING)) as running:
        yield running


@pytest.fixture
def vault(slow, request):
    """A vault of its own."""
    name = request.node.name.replace("[", "-").replace("]", "")[:200]
    slow.create_vault(name)
    return name


@pytest.fixture
def casfs(slow, tmp_path):
    return command_in(tmp_path, slow.url)


def lines(done):
    """The messages that were printed, each as the schema says."""
    return checked_lines(done.stdout)


def of_type(done, message_type):
    return [line for line in lines(done) if line["message_type"] == message_type]


def lists(emulator, vault):
    return [entry for entry in emulator.entries(f"/{vault}/jobs") if entry.method == "GET"]


def end_soon(slow, vault, seconds=2.0, **changes):
    """Let the jobs of a vault end after some seconds."""
    for name, value in changes.items():
        slow.sql(f"UPDATE jobs SET {name} = ? WHERE vault = ?", value, vault)
    slow.sql("UPDATE jobs SET completed = ? WHERE vault = ?", time.time() + seconds, vault)


def test_nothing_to_wait_for(casfs, vault):
    done = casfs("wait", vault)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == f"no job of vault {vault} is running\n".encode()


def test_all_running_jobs_are_waited_for(casfs, slow, vault):
    archives = [slow.upload(vault, bytes([number])) for number in range(3)]
    jobs = [slow.retrieve(vault, archive) for archive in archives]

    def end_them():
        wait_until(lambda: lists(slow, vault), "the running jobs to be seen")
        end_soon(slow, vault, 0)

    with ThreadPoolExecutor(1) as aside:
        ending = aside.submit(end_them)
        done = casfs("wait", vault, "--json")
        ending.result()
    assert (done.returncode, done.stderr) == (0, b"")
    ended = of_type(done, "archive")
    assert {line["job"] for line in ended} == set(jobs)
    assert {line["archive"] for line in ended} == set(archives)
    assert {line["state"] for line in ended} == {"readable"}
    assert of_type(done, "status")[0]["jobs_running"] == 3
    assert of_type(done, "status")[0]["eta"] is not None
    (summary,) = of_type(done, "summary")
    assert (summary["jobs_readable"], summary["jobs_failed"]) == (3, 0)
    assert (summary["jobs_running"], summary["exit_status"]) == (0, 0)
    # Once a second from an emulator, however many jobs there are.
    assert len(lists(slow, vault)) <= 6


def test_a_failed_job_is_named_with_the_reason(casfs, slow, vault):
    good = slow.retrieve(vault, slow.upload(vault, b"good"))
    bad = slow.retrieve(vault, slow.upload(vault, b"bad"))
    slow.sql("UPDATE jobs SET failure = 'The archive is gone.' WHERE id = ?", bad)
    end_soon(slow, vault, -1)
    done = casfs("wait", vault, good, bad)
    assert done.returncode == 1
    said = done.stdout.decode().splitlines()
    assert f"job {bad} failed: The archive is gone." in said
    (readable,) = [line for line in said if line.startswith(f"job {good} can be read until ")]
    assert readable.rpartition(" ")[2] in time.tzname
    assert casfs("wait", vault, good).returncode == 0


def test_a_time_out_says_that_it_is_not_finished(casfs, slow, vault):
    job = slow.retrieve(vault, slow.upload(vault, b"x"))
    done = casfs("wait", vault, "--timeout", "0.2s", "--json")
    assert done.returncode == 75
    (summary,) = of_type(done, "summary")
    assert (summary["jobs_running"], summary["exit_status"]) == (1, 75)
    done = casfs("wait", vault, job, "--timeout", "0.2")
    assert done.returncode == 75
    assert b"1 running, usually done by " in done.stderr


def test_any_one_job_is_enough(casfs, slow, vault):
    first = slow.retrieve(vault, slow.upload(vault, b"1"))
    slow.retrieve(vault, slow.upload(vault, b"2"))
    slow.finish(first)
    done = casfs("wait", vault, first, "--any", "--json")
    assert done.returncode == 0
    third = slow.retrieve(vault, slow.upload(vault, b"3"))
    before = len(lists(slow, vault))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(casfs, "wait", vault, "--any", "--json")
        wait_until(lambda: len(lists(slow, vault)) > before, "the jobs to be listed")
        slow.finish(third)
        done = waiting.result()
    assert done.returncode == 0
    assert [line["job"] for line in of_type(done, "archive")] == [third]
    assert of_type(done, "summary")[0]["jobs_running"] == 1


def test_patterns_find_archives(casfs, slow, vault):
    names = ["in/a.tif", "in/b.tif", "c.txt", "cold.tif"]
    archives = {name: slow.upload(vault, name.encode(), name) for name in names}
    slow.sql(
        "UPDATE jobs SET completed = created WHERE id = ?",
        slow.start(vault, Type="inventory-retrieval"),
    )
    assert casfs("catalog", "refresh", vault).returncode == 0
    jobs = {name: slow.retrieve(vault, archives[name]) for name in names[:3]}
    for name in names[:2]:
        slow.finish(jobs[name])
    done = casfs("wait", vault, "*.tif", "--json")
    assert done.returncode == 0
    found = {line["path"]: line["job"] for line in of_type(done, "archive")}
    assert found == {name: jobs[name] for name in names[:2]}
    (warning,) = of_type(done, "warning")
    assert warning["message"].startswith("cold.tif: there is no job; start one with casfs request")
    done = casfs("wait", vault, "*.gif")
    assert done.returncode == 1
    assert b"neither a job of vault" in done.stderr


def test_an_event_runs_a_command_with_the_line_on_its_standard_input(casfs, slow, vault, tmp_path):
    job = slow.retrieve(vault, slow.upload(vault, b"x"))
    slow.finish(job)
    command = f'echo "$# $0"; cat >> {tmp_path}/events; exit 3'
    done = casfs("wait", vault, job, "--json", "--on-event", command)
    assert done.returncode == 0
    (event,) = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert event == of_type(done, "archive")[0]
    assert event["job"] == job
    assert done.stderr.splitlines()[0] == b"0 /bin/sh"
    assert b"the command of --on-event exited with 3" in done.stderr


def test_a_command_for_events_that_hangs_is_killed(casfs, slow, vault):
    job = slow.retrieve(vault, slow.upload(vault, b"x"))
    slow.finish(job)
    hanging = ("--on-event", "sleep 1000", "--event-timeout", "0.3s")
    done = casfs("wait", vault, job, *hanging)
    assert done.returncode == 0
    assert b"took longer than 0.3 s" in done.stderr


def begun(slow, folder, vault, *options):
    """A process that waits, with a cache of its own, and a state directory beside its folder."""
    folder.mkdir()
    (folder / "none").touch()
    environment = {
        **os.environ,
        "CASFS_ENDPOINT": slow.url,
        "CASFS_CACHE_DIR": str(folder / "cache"),
        "CASFS_STATE_DIR": str(folder.parent / "state"),
        "CASFS_CONFIG": str(folder / "none"),
        **KEYS,
    }
    command = [CASFS, "wait", vault, *options]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def test_an_interrupt_ends_it(slow, vault, tmp_path):
    slow.retrieve(vault, slow.upload(vault, b"x"))
    with begun(slow, tmp_path / "one", vault) as process:
        assert b"1 running" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_two_processes_list_once(slow, vault, tmp_path):
    slow.retrieve(vault, slow.upload(vault, b"x"))
    options = ("--interval", "1", "--timeout", "8")
    running = [begun(slow, tmp_path / name, vault, *options) for name in ("one", "other")]
    end_soon(slow, vault, 5)
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    # Each alone would have listed five times; half an interval is shared.
    assert len(lists(slow, vault)) <= 9


def test_a_job_that_is_gone_has_failed(casfs, slow, vault):
    job = slow.retrieve(vault, slow.upload(vault, b"x"))
    waiting = ("wait", vault, job, "--json")
    slow.finish(job)
    assert casfs(*waiting).returncode == 0
    slow.expire(job)
    done = casfs(*waiting)
    assert done.returncode == 1
    (error,) = of_type(done, "exit_error")
    assert error["code"] == 1
    assert job in error["message"]


@pytest.mark.parametrize("text", ["soon", "1x", "", "-1"])
def test_a_time_out_that_is_none(casfs, vault, text):
    done = casfs("wait", vault, f"--timeout={text}")
    assert done.returncode == 2
    assert b"is not a duration" in done.stderr


def test_a_wrong_setting_is_reported_as_json_too(casfs, vault):
    done = casfs("wait", vault, "--json", "--dialect", "none")
    assert done.returncode == 2
    (error,) = of_type(done, "exit_error")
    assert error["code"] == 2


def test_no_vault(casfs):
    done = casfs("wait", "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith(b"casfs: ")
