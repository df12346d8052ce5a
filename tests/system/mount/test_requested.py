"""What was requested from here is seen in lists, and in a mount without a remount."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from casfs.ledger.request import Request, RequestState, account_key
from casfs.model import Vault
from casfs.restore.intents import Intent
from casfs.restore.ledger import Ledger
from tests.support.command import CASFS
from tests.support.emulator.running import ACCOUNT, KEY_ID, RunningEmulator, running_emulator
from tests.support.ledgers import unlimited
from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.schemas import validator

VAULT = "photos"
COLD = ("a.txt", "b.txt", "c.txt", "d.txt")


class Here:
    """A vault, a mount of it, and the record of what was requested from this machine.

    Attributes:
        archives: ids by name.
    """

    def __init__(self, emulator: RunningEmulator, mount: Mount) -> None:
        self.emulator = emulator
        self.mount = mount
        emulator.create_vault(VAULT)
        self.archives = {name: emulator.upload(VAULT, name.encode(), name) for name in COLD}
        inventory = emulator.start(VAULT, Type="inventory-retrieval")
        emulator.finish(inventory)
        self.run("catalog", "refresh", VAULT)

    def run(self, *arguments: str) -> str:
        return self.mount.good(CASFS, *arguments)

    def listed(self) -> dict[str, dict[str, object]]:
        found = json.loads(self.run("ls", VAULT, "--json"))
        for one in found:
            validator("requests").validate(one["request"])
        return {one["path"]: one for one in found}

    def table(self, *command: str) -> dict[str, str]:
        lines = self.run(*command).splitlines()
        return {line.split()[-1]: line for line in lines if line.strip()}

    def request(
        self, name: str, state: RequestState, job: str | None = None, cost: str | None = "0.06"
    ) -> Request:
        """Record a request of an archive, as `casfs request` does."""
        vault = Vault(VAULT, VAULT, None, None, None, None, "{}", ACCOUNT)
        account = account_key(("cas", self.emulator.url, f"key {KEY_ID}"), vault)
        directory = Path(self.mount.environment["XDG_STATE_HOME"]) / "casfs"
        with closing(Ledger(directory, account, VAULT)) as ledger:
            amount = Decimal(cost) if cost else None
            intent = Intent("archive", self.archives[name], 0, -1, 5, amount, "CNY")
            request = ledger.intend(intent, ledger.run_of("all"), "standard", unlimited)
            assert request is not None
            if state is not RequestState.INTENDED:
                ledger.note(request, state, job)
        return request


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    root = tmp_path_factory.mktemp("emulator")
    settings = {"CASFS_LISTING_TTL": "0.5", "TZ": "Asia/Shanghai"}
    with (
        running_emulator(root, "--job-seconds", "3600") as emulator,
        mounted(tmp_path_factory.mktemp("home"), emulator.url, **settings) as mount,
    ):
        yield Here(emulator, mount)


def test_a_finished_job_appears_without_a_remount(here: Here) -> None:
    job = here.emulator.retrieve(VAULT, here.archives["a.txt"], Tier="Bulk")
    outputs = here.mount.path("vaults", VAULT, "jobs", job)
    archive = here.mount.path("vaults", VAULT, "archives", "a.txt")
    wait_until(lambda: here.mount.ask(os.path.exists, outputs), "the running job")
    assert here.mount.ask(os.listdir, outputs) == ["job.json"]
    assert not here.mount.ask(os.path.exists, archive)
    here.emulator.finish(job)
    wait_until(lambda: here.mount.ask(os.path.exists, archive), "the archive")
    assert here.mount.ask(archive.read_bytes) == b"a.txt"
    assert sorted(here.mount.ask(os.listdir, outputs)) == ["job.json", "output"]
    for path in (archive, outputs / "output"):
        assert here.mount.ask(os.getxattr, path, "user.casfs.tier") == b"bulk"
        requested = here.mount.ask(os.getxattr, path, "user.casfs.requested").decode()
        age = datetime.now(UTC) - datetime.fromisoformat(requested)
        assert timedelta(0) < age < timedelta(minutes=5)
        names = here.mount.ask(os.listxattr, path)
        assert not {"user.casfs.tier", "user.casfs.requested"} & set(names)


def test_ls_shows_what_was_requested_when_it_is_ready_and_what_it_cost(here: Here) -> None:
    here.request("b.txt", RequestState.UNCERTAIN, cost=None)
    job = here.emulator.retrieve(VAULT, here.archives["c.txt"])
    here.request("c.txt", RequestState.STARTED, job)
    here.request("d.txt", RequestState.REFUSED)
    found = here.listed()
    request = found["c.txt"]["request"]
    assert isinstance(request, dict)
    assert (request["job"], request["state"]) == (job, "started")
    assert (request["cost"], request["currency"], request["tier"]) == ("0.06", "CNY", "standard")
    assert found["c.txt"]["state"] == "running"
    uncertain = found["b.txt"]["request"]
    assert isinstance(uncertain, dict)
    assert (found["b.txt"]["state"], uncertain["state"]) == ("cold", "uncertain")
    assert found["d.txt"]["request"] is None
    lines = here.table("ls", VAULT)
    assert "0.06 CNY" in lines["c.txt"]
    assert "CST" in lines["c.txt"]
    assert "ready by " in lines["c.txt"]
    assert "unknown" in lines["b.txt"]
    assert lines["b.txt"].split()[0] == "uncertain"
    assert lines["d.txt"].split()[0] == "cold"


def test_jobs_shows_what_was_requested_when_it_is_ready_and_what_it_cost(here: Here) -> None:
    job = here.emulator.retrieve(VAULT, here.archives["a.txt"])
    here.request("a.txt", RequestState.STARTED, job)
    (shown,) = [line for line in here.run("jobs", VAULT).splitlines() if job in line]
    assert "0.06 CNY" in shown
    assert shown.count("CST") == 2
    assert "by " in shown
    (facts,) = [one for one in json.loads(here.run("jobs", VAULT, "--json")) if one["JobId"] == job]
    validator("requests").validate(facts["request"])
    assert facts["request"]["cost"] == "0.06"
    other = here.emulator.retrieve(VAULT, here.archives["b.txt"])
    jobs = {one["JobId"]: one for one in json.loads(here.run("jobs", VAULT, "--json"))}
    assert "request" not in jobs[other]


def test_where_there_is_no_inventory_the_command_is_named(here: Here) -> None:
    here.emulator.create_vault("new")
    here.emulator.upload("new", b"x")
    here.emulator.sql("UPDATE vaults SET archive_count = 1 WHERE name = 'new'")
    done = here.mount.run(CASFS, "catalog", "refresh", "new")
    assert "casfs request new --inventory" in done.stderr
