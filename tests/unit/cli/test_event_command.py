"""The command of --on-event: one that hangs is ended, and does not hold casfs up for long."""

import os
import time

import pytest

from casfs.cli.event_command import BackgroundEvents, EventCommand
from tests.support.processes import wait_until


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # Nobody may have waited for it yet.
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


def test_a_command_that_hangs_is_killed_with_what_it_started_and_given_up(tmp_path):
    said: list[str] = []
    hanging = f"echo >>{tmp_path}/runs; sleep 1000 & echo $! >>{tmp_path}/pids; wait"
    command = EventCommand(hanging, said.append, deadline=0.3)
    for _ in range(5):
        command.run("{}")
    assert len((tmp_path / "runs").read_text().splitlines()) == 3
    assert ["0.3 s" in line for line in said] == [True, False]
    assert "not run any more" in said[1]
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_until(lambda: all(map(is_gone, pids)), "what it started to be gone")


def test_a_command_that_takes_long_once_is_run_on(tmp_path):
    said: list[str] = []
    command = f"read line; test $line = slow && sleep 1000; echo $line >>{tmp_path}/events"
    events = EventCommand(command, said.append, deadline=1.0)
    for line in ("slow", "one", "two"):
        events.run(line)
    assert (tmp_path / "events").read_text().split() == ["one", "two"]
    assert len(said) == 1


def test_a_command_in_the_background_holds_up_nothing_and_is_waited_for(tmp_path):
    said: list[str] = []
    for line in ("one", "two"):
        os.mkfifo(tmp_path / line)
    command = f"read line; read go <{tmp_path}/$line; echo $line $go >>{tmp_path}/events"
    with BackgroundEvents(command, said.append) as events:
        for line in ("one", "two"):
            events.add(line)
        for line, answer in (("one", "yes"), ("two", "no")):
            (tmp_path / line).write_text(f"{answer}\n")
    assert (tmp_path / "events").read_text().splitlines() == ["one yes", "two no"]
    with BackgroundEvents(None, said.append) as events:
        events.add("nobody wants this")
    assert said == []


def test_a_signal_ends_a_command_in_the_background(tmp_path):
    said: list[str] = []
    pids = tmp_path / "pids"
    command = f"echo $$ >{tmp_path}/new; mv {tmp_path}/new {pids}; exec sleep 1000"

    def interrupted():
        with BackgroundEvents(command, said.append) as events:
            events.add("one")
            events.add("two")
            wait_until(pids.exists, "it to be run")
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - begun < 60
    wait_until(lambda: is_gone(int(pids.read_text())), "it to be gone")
    assert said == []
