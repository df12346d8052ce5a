"""`casfs ls`, `casfs find` and `casfs catalog refresh` against the emulator."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.archive import random_bytes
from tests.system.cli.said import one_line

VAULT = "names"
DATA = {
    name: random_bytes(100 + number, seed=number)
    for number, name in enumerate(
        ["readable.txt", "in/expiring.txt", "in/retained.txt", "in/running.tif", "in/deep/cold.tif",
         "twice.txt"]
    )
}  # fmt: skip
HOUR = 3600


class Vault:
    """A vault with an archive in each state, and an inventory of them.

    Attributes:
        archives: the id of each archive by its name; "" has none, "older" is called twice.txt.
    """

    def __init__(self, emulator):
        emulator.create_vault(VAULT)
        self.archives = {name: emulator.upload(VAULT, data, name) for name, data in DATA.items()}
        self.archives["older"] = emulator.upload(VAULT, b"older", "twice.txt")
        self.archives[""] = emulator.upload(VAULT, b"nameless")
        for name, created in (("older", "2019-04-12T08:15:30"), ("in/running.tif", "2020-01-01")):
            seconds = datetime.fromisoformat(created).replace(tzinfo=UTC).timestamp()
            emulator.sql(
                "UPDATE archives SET created = ? WHERE id = ?", seconds, self.archives[name]
            )
        self.jobs = {
            name: emulator.retrieve(VAULT, self.archives[name])
            for name in ("readable.txt", "in/expiring.txt", "in/retained.txt", "in/running.tif")
        }
        for name, hours in (("in/expiring.txt", -22), ("in/running.tif", 1)):
            emulator.sql(
                "UPDATE jobs SET completed = ? WHERE id = ?",
                time.time() + hours * HOUR,
                self.jobs[name],
            )
        emulator.start(VAULT, Type="inventory-retrieval", Format="JSON")


@pytest.fixture(scope="module")
def vault(emulator):
    return Vault(emulator)


@pytest.fixture
def listed(casfs, vault):
    """Run a command after the vault was catalogued; returns what it prints as JSON, by path."""
    assert casfs("catalog", "refresh", VAULT).stdout == b"names: 1 new inventory\n"

    def run(*arguments):
        done = casfs(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, b"")
        return {one["path"]: one for one in json.loads(done.stdout)}

    return run


def test_before_a_refresh_it_says_what_to_do(casfs, vault):
    done = casfs("ls", VAULT)
    assert done.returncode == 0
    assert "casfs catalog refresh names" in one_line(done)
    done = casfs("find", VAULT, "*", "--json")
    assert done.stdout == b"[]\n"
    wanted = "casfs: the catalog of vault names lacks inventories; run: casfs catalog refresh names"
    assert one_line(done).strip() == wanted
    # Here there is no inventory that could be cataloged.
    told = one_line(casfs("find", "empty", "*"))
    assert "catalog of vault empty is empty; run: casfs request empty --inventory" in told


def test_a_refresh_takes_each_inventory_once_and_starts_no_job(casfs, emulator, vault):
    before = len([entry for entry in emulator.entries() if entry.method == "POST"])
    assert casfs("catalog", "refresh", VAULT).stdout == b"names: 1 new inventory\n"
    assert casfs("catalog", "refresh", VAULT).stdout == b"names: 0 new inventories\n"
    everywhere = casfs("catalog", "refresh").stdout.decode().splitlines()
    assert "names: 0 new inventories" in everywhere
    assert "empty: 0 new inventories" in everywhere
    assert len([entry for entry in emulator.entries() if entry.method == "POST"]) == before


def test_ls_of_the_top(listed, vault):
    found = listed("ls", VAULT)
    assert list(found) == ["in", "readable.txt", "twice.txt"]
    assert found["in"] == {"path": "in", "kind": "folder"}
    facts = found["readable.txt"]
    assert facts["id"] == vault.archives["readable.txt"]
    assert (facts["kind"], facts["state"], facts["size"]) == ("archive", "readable", 100)
    assert (facts["description"], facts["rule"]) == ("readable.txt", "plain")
    assert len(facts["tree_hash"]) == 64
    assert facts["modified"] == facts["created"]
    left = datetime.fromisoformat(facts["expires"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left < timedelta(hours=25)


def test_ls_all_has_older_ones_and_those_without_a_name(listed, vault):
    found = listed("ls", VAULT, "--all")
    assert set(found) > {"in", "readable.txt", "twice.txt", None}
    assert found[None]["id"] == vault.archives[""]
    (older,) = set(found) - {"in", "readable.txt", "twice.txt", None}
    assert older.startswith("twice~20190412T081530Z~")
    assert found[older]["id"] == vault.archives["older"]
    assert listed("ls", VAULT, older)[older]["id"] == vault.archives["older"]


def test_ls_of_a_folder_and_of_a_file(listed):
    names = ["in/deep", "in/expiring.txt", "in/retained.txt", "in/running.tif"]
    for path in ("in", "in/", "/in"):
        assert list(listed("ls", VAULT, path)) == names
    assert list(listed("ls", VAULT, "in/deep/cold.tif")) == ["in/deep/cold.tif"]


def test_ls_by_id(listed, casfs, vault):
    for name in ("twice.txt", "older", ""):
        (found,) = listed("ls", VAULT, f"by-id/{vault.archives[name]}").values()
        assert found["id"] == vault.archives[name]
    assert [one["id"] for one in listed("ls", VAULT, "by-id").values()] == [vault.archives[""]]
    table = casfs("ls", VAULT, "--all").stdout.decode()
    assert f"by-id/{vault.archives['']}" in table


def test_the_state_of_each(listed, casfs, emulator, vault):
    retained = vault.jobs["in/retained.txt"]
    assert casfs("cat", VAULT, retained).stdout == DATA["in/retained.txt"]
    ((completed,),) = emulator.sql("SELECT completed FROM jobs WHERE id = ?", retained)
    emulator.expire(retained)
    try:
        # A listing is fresh for a while.
        done = casfs("find", VAULT, "*", CASFS_LISTING_TTL="0").stdout.decode()
        found = listed("find", VAULT, "*")
    finally:
        emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", completed, retained)
    lines = {line.split()[-1]: line.split() for line in done.splitlines() if line.strip()}
    for name in ("expiring", "retained", "running", "cold"):
        (path,) = [path for path in found if name in path]
        assert found[path]["state"] == lines[path][0] == name, path
    assert "left" in lines["in/expiring.txt"]
    assert "ready" in lines["in/running.tif"]
    ready = datetime.fromisoformat(found["in/running.tif"]["ready"])
    assert timedelta(0) < ready - datetime.now(UTC) <= timedelta(hours=12)
    for name in ("in/retained.txt", "in/deep/cold.tif"):
        assert (found[name]["expires"], found[name]["ready"]) == (None, None)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.tif", ["in/running.tif", "in/deep/cold.tif"]),
        ("in/*.tif", ["in/running.tif", "in/deep/cold.tif"]),
        ("in/deep/*", ["in/deep/cold.tif"]),
        ("cold.tif", ["in/deep/cold.tif"]),
        ("[!a-q]*.txt", ["in/retained.txt", "readable.txt", "twice.txt"]),
    ],
)
def test_find(listed, pattern, names):
    found = [name for name in listed("find", VAULT, pattern) if "~" not in name]
    assert sorted(found) == sorted(names)


@pytest.mark.parametrize("pattern", ["deep", "*.nothing"])
def test_nothing_found_is_said(casfs, vault, pattern):
    casfs("catalog", "refresh", VAULT)
    done = casfs("find", VAULT, pattern, "--json")
    assert (done.returncode, done.stdout) == (0, b"[]\n")
    assert one_line(done) == f"casfs: no archive matches {pattern}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("ls", "nope"), "nope"),
        (("find", "nope", "*"), "nope"),
        (("catalog", "refresh", "nope"), "nope"),
        (("ls", VAULT, "in/nope"), "in/nope"),
        (("ls", VAULT, "by-id/nope"), "by-id/nope"),
        (("ls", VAULT, "../.."), "../.."),
    ],
)
def test_what_is_not_there_fails_with_1(casfs, vault, arguments, told):
    done = casfs(*arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert told in one_line(done)


def test_chained_inventories_are_shown_as_they_are_and_merged(casfs, emulator):
    emulator.create_vault("chained")
    archives = {emulator.upload("chained", b"x%d" % number, f"f{number}") for number in range(8)}
    marker, counts = None, []
    # The last one is asked for without a limit, and does not say that a marker began it.
    for limit in ({"Limit": 3}, {"Limit": 3}, {}):
        parameters = limit | ({"Marker": marker} if marker else {})
        job = emulator.start(
            "chained",
            Type="inventory-retrieval",
            Format="JSON",
            InventoryRetrievalParameters=parameters,
        )
        marker = emulator.describe("chained", job)["InventoryRetrievalParameters"]["Marker"]
        shown = json.loads(casfs("cat", "--inventory", "json", "chained", job).stdout)
        counts.append(len(shown["ArchiveList"]))
    assert counts == [3, 3, 2]
    assert marker is None
    assert casfs("catalog", "refresh", "chained").stdout == b"chained: 3 new inventories\n"
    found = json.loads(casfs("ls", "chained", "--json").stdout)
    assert {one["id"] for one in found} == archives


def test_a_malformed_inventory_keeps_no_other_vault_out(casfs, emulator, vault):
    emulator.create_vault("broken")
    job = emulator.start("broken", Type="inventory-retrieval", Format="JSON")
    size = emulator.describe("broken", job)["InventorySizeInBytes"]
    (emulator.root / "inventories" / job).write_bytes(b"{".ljust(size))
    done = casfs("catalog", "refresh", "broken", VAULT)
    assert (done.returncode, done.stdout) == (1, b"names: 1 new inventory\n")
    assert job in one_line(done)
