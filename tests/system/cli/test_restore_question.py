"""`casfs restore --rerequest ask`: while the question is open, everything else goes on."""

import sys
import time

from tests.support.restores import VAULT, restores
from tests.support.terminal import on_terminal


def test_what_can_be_read_is_restored_while_the_user_is_asked_for_something_else(tmp_path):
    sizes = {"lost.bin": 3, "slow.bin": 5}
    with restores(tmp_path, sizes, "--job-seconds", "4") as vault:
        destination = tmp_path / "dest"
        sql = vault.emulator.sql
        ids = {name: one for one, name in sql("SELECT id, description FROM archives")}
        done: list[str] = []

        def keys(text: str) -> bytes | None:
            jobs = {archive for (archive,) in sql("SELECT archive FROM jobs")}
            if not done and jobs >= set(ids.values()):
                sql("DELETE FROM jobs WHERE archive = ?", ids["lost.bin"])
                late = time.time() + 3600
                sql("UPDATE jobs SET completed = ? WHERE archive = ?", late, ids["slow.bin"])
                done.append("lost")
            if done == ["lost"] and "request again?" in text:
                now = time.time() - 1
                sql("UPDATE jobs SET completed = ? WHERE archive = ?", now, ids["slow.bin"])
                done.append("readable")
            return b"y\n" if (destination / "slow.bin").exists() else None

        command = [sys.executable, "-m", "casfs", "restore", VAULT, str(destination), "-y"]
        shown = on_terminal(command, vault.environment, keys=keys)
        assert shown.status == 0, shown.text
        assert done == ["lost", "readable"]
        assert "1 can no longer be fetched (3 B, " in shown.text
        vault.check(destination)
        assert vault.requested() == {ids["lost.bin"]: 2, ids["slow.bin"]: 1}
        check_that_a_plan_that_was_agreed_to_is_not_asked_about(vault, tmp_path / "other")


def check_that_a_plan_that_was_agreed_to_is_not_asked_about(vault, destination):
    """It says that what an earlier run has lost is not requested again; -y agrees to that."""
    before = vault.requested()
    lost = "(SELECT id FROM archives WHERE description = 'lost.bin')"
    vault.emulator.sql(f"DELETE FROM jobs WHERE archive = {lost}")
    asked: list[str] = []

    def keys(text: str) -> bytes | None:
        if "[y/N]" in text and not asked:
            asked.append(text)
            return b"n\n"
        return None

    command = [sys.executable, "-m", "casfs", "restore", VAULT, str(destination), "-y"]
    shown = on_terminal(command, vault.environment, keys=keys)
    assert not asked, asked
    assert shown.status == 1, shown.text
    assert "not again                1" in shown.text
    assert "--rerequest yes" in shown.text
    assert (destination / "slow.bin").read_bytes() == vault.files["slow.bin"]
    assert vault.requested() == before
