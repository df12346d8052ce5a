"""What there is: vaults, jobs in every state, names that are hard, all pages of both."""

import errno
import json
import time

import pytest

from tests.support.emulated_service import SIZES, VAULT, Service
from tests.system.conformance.doors import Door

MANY, VAULTS = 60, 13
"""More jobs, and more vaults, than any service lists at once where that is few."""


@pytest.fixture(scope="module")
def many(service: Service) -> list[str]:
    """Names of jobs in a vault of their own, one among many vaults."""
    for number in range(VAULTS):
        service.add_vault(f"vault-{number}")
    return [
        service.add_job("one", f"job-{number}", vault="vault-7", tier="Standard")
        for number in range(MANY)
    ]


def test_every_vault_and_every_job_is_listed_once(many: list[str], door: Door) -> None:
    vaults = door.list("vaults")
    assert {VAULT, *(f"vault-{number}" for number in range(VAULTS))} <= set(vaults)
    assert len(set(vaults)) == len(vaults)
    assert door.list("vaults/vault-7/jobs") == sorted(many)
    assert door.list("vaults/vault-8/jobs") == []


def test_descriptions_are_those_of_the_service(service: Service, door: Door) -> None:
    vault = json.loads(door.read(f"vaults/{VAULT}/vault.json"))
    assert vault["VaultName"] == VAULT
    job = json.loads(door.read(f"vaults/{VAULT}/jobs/{service.jobs['over']}/job.json"))
    assert job["JobId"] == service.jobs["over"]
    assert (job["Action"], job["StatusCode"]) == ("ArchiveRetrieval", "Succeeded")
    assert job["ArchiveId"] == service.archives["over"]
    assert job["ArchiveSizeInBytes"] == SIZES["over"]


def test_attributes(service: Service, door: Door) -> None:
    path = service.output("over")
    told = {name: door.attribute(path, name) for name in ("job-id", "archive-id")}
    assert told == {"job-id": service.jobs["over"], "archive-id": service.archives["over"]}
    assert door.attribute(path, "expires")
    assert door.attribute(path, "tree-hash")


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_exact(service: Service, door: Door, name: str) -> None:
    assert door.size(service.output(name)) == SIZES[name]


STATES: dict[str, dict[str, object]] = {
    "running": {"completed": time.time() + 3600},
    "failed": {"failure": "the tape broke"},
    "push": {"kind": "push", "bucket": "b", "object": "o"},
    "pull": {"kind": "pull", "bucket": "b", "object": "o"},
    "select": {"kind": "select", "details": "{}"},
}
TRANSFERS = {"cas": ["push", "pull"], "oas": ["push", "pull"], "glacier": ["select"]}


@pytest.mark.parametrize("state", STATES)
def test_a_job_without_an_output_is_its_description_alone(
    service: Service, door: Door, state: str
) -> None:
    if state not in ["running", "failed", *TRANSFERS[service.dialect]]:
        return
    job = service.add_job("one", f"job-that-is-{state}", **STATES[state])
    folder = f"vaults/{VAULT}/jobs/{job}"
    assert job in door.list(f"vaults/{VAULT}/jobs")
    assert door.list(folder) == ["job.json"]
    assert json.loads(door.read(f"{folder}/job.json"))["JobId"] == job
    with pytest.raises(OSError, match=r".") as caught:
        door.read(f"{folder}/output")
    assert caught.value.errno == errno.ENOENT


def test_an_inventory_is_read_as_the_service_wrote_it(service: Service, door: Door) -> None:
    row: dict[str, object] = {
        "kind": "inventory",
        "archive": None,
        "first": None,
        "last": None,
        "tree_hash": None,
    }
    path = f"vaults/{VAULT}/jobs/inventory/output"
    service.add_job("one", "inventory", **row, tier=None, completed=time.time())
    inventory = door.read(path)
    assert len(inventory) == door.size(path)
    listed = {archive["ArchiveId"] for archive in json.loads(inventory)["ArchiveList"]}
    assert listed == set(service.archives.values())
    assert door.attribute(path, "verified") == "no"


JOB_NAMES = {
    "-rf": "-rf",
    "--help": "--help",
    "a b": "a b",
    "ü€𝄞": "ü€𝄞",
    "100%": "100%",
    "a%2Fb": "a%252Fb",
    "a\nb\x7f": "a%0Ab%7F",
    "x" * 255: "x" * 255,
}


def test_names_that_no_shell_likes(service: Service, door: Door) -> None:
    service.add_vault("unsafe")
    for job in JOB_NAMES:
        service.add_job("over", job, vault="unsafe")
    assert door.list("vaults/unsafe/jobs") == sorted(JOB_NAMES.values())
    for file_name in JOB_NAMES.values():
        read = door.read(f"vaults/unsafe/jobs/{file_name}/output")
        assert read == service.files["over"], file_name


def test_vaults_with_the_names_of_dots(service: Service, door: Door) -> None:
    for name in (".", ".."):
        service.add_vault(name)
    service.add_job("over", "dotted", vault="..")
    assert {"%2E", "%2E%2E"} <= set(door.list("vaults"))
    assert json.loads(door.read("vaults/%2E/vault.json"))["VaultName"] == "."
    assert door.read("vaults/%2E%2E/jobs/dotted/output") == service.files["over"]


@pytest.mark.parametrize(
    "path",
    ["vaults/nothing", "vaults/nothing/jobs", f"vaults/{VAULT}/jobs/nothing", "vaults/ID-OF-x"],
)
def test_what_does_not_exist(service: Service, door: Door, path: str) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        door.list(path)
    assert caught.value.errno == errno.ENOENT
