"""`casfs request` where answers are lost, refused or late: one job for each all the same."""

import json
import threading
import time
from collections import Counter

import pytest

from tests.support.request_stress import FAULTS, UNFINISHED, stress
from tests.support.schemas import checked_lines


def statuses(one, count):
    """The exit statuses of some requests that run at the same time."""
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(one.request("--all", "-y")))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(status for status, _ in found)


@pytest.mark.parametrize("dialect", ["cas", "glacier", "oas"])
def test_a_lost_answer_is_settled_by_the_list(tmp_path, dialect):
    with stress(dialect, tmp_path, 3, 60, "--fault", "lost-answer@post=1") as one:
        status, text = one.request("--all", "-y")
        assert status == 0, text
        one.check()


def test_a_late_list_leaves_requests_uncertain_and_is_waited_for(tmp_path):
    options = ("--fault", "error-after@post=1", "--listing-lag", "3600")
    with stress("cas", tmp_path, 3, 60, *options) as one:
        status, text = one.request("--all", "-y")
        assert status == UNFINISHED, text
        assert "no answer" in text
        one.remove_cache()
        status, text = one.request("--all", "-n")
        assert "uncertain" in text
        assert one.request("--all", "-y")[0] == UNFINISHED
        one.emulator.sql("UPDATE jobs SET created = created - 3600")
        assert one.finish()[-1] == 0
        one.check()


def test_what_was_not_accepted_is_sent_again_once_that_is_certain(tmp_path):
    # An error 500 before anything was done, and once only.
    with stress("cas", tmp_path, 3, 1, "--fault", "error-500@post=1,1") as one:
        status, text = one.request("--all", "-y")
        assert status in (0, UNFINISHED), text
        assert one.finish()[-1] == 0
        assert one.jobs() == Counter(dict.fromkeys(one.archives(), 1))


def test_two_at_once_ask_once(tmp_path):
    with stress("cas", tmp_path, 12, 60) as one:
        assert set(statuses(one, 2)) <= {0, UNFINISHED}
        one.finish()
        one.check()


def test_killed_at_any_time_and_without_the_cache(tmp_path):
    with stress("cas", tmp_path, 12, 2, *FAULTS, "--listing-lag", "1") as one:
        for number in range(3):
            one.kill_two(0.6)
            if number == 1:
                one.remove_cache()
        one.finish()
        one.check()


def test_throttling_slows_the_command_down(tmp_path):
    with stress("cas", tmp_path, 60, 60, "--job-rate", "10") as one:
        status, text = one.request("--all", "-y")
        assert status == 0, text
        answers = Counter(entry.status for entry in one.emulator.job_requests())
        refused = sum(count for status, count in answers.items() if status != 202)
        assert refused < 0.2 * answers.total(), answers
        assert one.jobs() == Counter(dict.fromkeys(one.archives(), 1))


def test_the_retrieval_policy_is_reported_before_and_obeyed(tmp_path):
    with stress("glacier", tmp_path, 3, 60, "--policy", "free-tier=100") as one:
        status, text = one.request("--all", "-y", "--json")
        assert status == UNFINISHED, text
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        (plan,) = [line for line in lines if line["message_type"] == "plan"]
        assert plan["policy"] == "free tier"
        assert plan["estimate"]["currency"] == "USD"
        assert one.jobs().total() == 1


def test_prices_that_nobody_knows_are_unknown(tmp_path):
    with stress("oas", tmp_path, 3, 60) as one:
        status, text = one.request("--all", "-y", "--max-cost", "100")
        assert (status, one.jobs().total()) == (4, 0), text
        assert "unknown" in text
        status, text = one.request("--all", "-y", "--tier", "bulk")
        assert (status, one.jobs().total()) == (2, 0), text
        status, text = one.request("--all", "-y", "--pace", "1KiB/h")
        assert (status, one.jobs().total()) == (0, 3), text
        assert "photos: 3 archives, " in text
        # It has one speed.
        assert "192 B   up to 4 h" in text
        assert "estimate (no prices are known)" in text
        assert "at 1.0 KiB/h 192 B take 11 min" in text


def test_expedited_takes_no_large_archive(tmp_path):
    with stress("cas", tmp_path, 2, 60) as one:
        large = sorted(one.archives())[0]
        one.emulator.sql("UPDATE archives SET size = ? WHERE id = ?", (256 << 20) + 1, large)
        one.emulator.sql("DELETE FROM jobs")
        one.emulator.start("photos", Type="inventory-retrieval")
        one.emulator.sql("UPDATE jobs SET completed = ?", time.time())
        status, text = one.request("--all", "-y", "--tier", "expedited")
        assert status == 1, text
        assert "too large" in text
        assert large not in one.jobs()
        assert one.jobs().total() == 1


def test_a_command_may_wait_for_its_jobs(tmp_path):
    with stress("cas", tmp_path, 2, 60, "--job-seconds", "2") as one:
        events = tmp_path / "events"
        command = ("--on-event", f"cat >> {events}")
        status, text = one.request("--all", "-y", *command)
        assert (status, "--on-event is for --wait" in text, one.jobs().total()) == (2, True, 0)
        status, text = one.request("--all", "-y", "--wait", *command)
        assert status == 0, text
        ended = checked_lines(events.read_text())
        assert {(one["state"], one["path"]) for one in ended} == {
            ("readable", "000000.bin"),
            ("readable", "000001.bin"),
        }
        assert "started 2 jobs" in text
        assert text.count("can be read until") == 2
        assert "\n000001.bin (job " in text
