"""A command called refresh asks the service, however young what is known may be."""

import json
import os
import signal

from tests.support.processes import freeze
from tests.support.schemas import checked_lines
from tests.system.cli.said import one_line


def test_an_inventory_that_finished_since_is_taken_in(casfs, emulator):
    emulator.upload("v", b"data", "a.txt")
    inventory = emulator.start("v", Type="inventory-retrieval", Format="JSON")
    ((completed,),) = emulator.sql("SELECT completed FROM jobs WHERE id = ?", inventory)
    emulator.sql("UPDATE jobs SET completed = 9999999999 WHERE id = ?", inventory)
    assert b"running" in casfs("jobs", "v").stdout
    emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", completed, inventory)
    done = casfs("catalog", "refresh", "v", "--json", "--stats", "0.000001")
    (facts,) = json.loads(done.stdout)
    assert (facts["vault"], facts["inventories"]) == ("v", 1)
    # Standard output has the list.
    (status,) = checked_lines(done.stderr)
    assert (status["message_type"], status["files_restored"]) == ("status", 1)
    assert status["phase"].startswith("inventory of job ")
    assert b"a.txt" in casfs("ls", "v").stdout


def test_a_vault_that_came_since_is_refreshed(casfs, emulator):
    assert b"new-one" not in casfs("vaults").stdout
    emulator.create_vault("new-one")
    done = casfs("catalog", "refresh", "new-one")
    assert (done.returncode, done.stdout) == (0, b"new-one: 0 new inventories\n")
    emulator.create_vault("new-two")
    assert b"new-two: 0 new inventories\n" in casfs("catalog", "refresh").stdout


def test_a_refresh_that_cannot_ask_fails(casfs, emulator):
    assert casfs("catalog", "refresh", "v").returncode == 0
    down = {"CASFS_READ_TIMEOUT": "0.2", "CASFS_DEADLINE": "1"}
    freeze(emulator.pid)
    try:
        done = casfs("catalog", "refresh", "v", **down)
    finally:
        os.kill(emulator.pid, signal.SIGCONT)
    assert done.returncode == 1
    assert "List Jobs" in one_line(done)
