"""A signal ends `casfs request` in good order: a summary, its own status, and nothing lost."""

import signal

import pytest

from tests.support.processes import wait_until
from tests.support.request_stress import VAULT, stress
from tests.support.schemas import checked_lines


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_requests_with_a_summary(tmp_path, number, status):
    with stress("cas", tmp_path, 12, 60, "--latency-ms", "150") as one:
        with one.start("request", VAULT, "--all", "-y", "--json") as process:
            wait_until(lambda: one.jobs().total() >= 2, "some requests to be sent")
            process.send_signal(number)
            text = process.communicate(timeout=60)[0]
        assert process.returncode == status, text
        lines = checked_lines("\n".join(line for line in text.splitlines() if line[0] == "{"))
        *_, summary, error = lines
        assert (summary["message_type"], error["message_type"]) == ("summary", "exit_error")
        assert error["code"] == status
        assert 0 < summary["started"] < 12
        assert summary["started"] + summary["uncertain"] + summary["left"] == 12
        assert "started " in text
        assert "run the same command again" in text
        assert "Traceback" not in text
        assert one.finish()[-1] == 0
        one.check()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_waiting_for_jobs(tmp_path, number, status):
    with stress("cas", tmp_path, 2, 60) as one:
        for command in (("request", VAULT, "--all", "-y", "--wait"), ("wait", VAULT)):
            with one.start(*command, "--json") as process:
                assert process.stdout is not None
                line = ""
                while '"phase": "waiting"' not in line:
                    line = process.stdout.readline()
                    assert line, command
                process.send_signal(number)
                text = process.communicate(timeout=60)[0]
            assert process.returncode == status, text
            lines = checked_lines("\n".join(line for line in text.splitlines() if line[0] == "{"))
            *_, summary, error = lines
            assert summary["jobs_running"] == 2
            assert error["code"] == status
        one.check()
