"""The core behind every door, against the emulator: the tree and its bytes."""

import contextlib
import errno
import json
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from casfs.blocks.disk.contents import CacheContents
from casfs.client import Client
from casfs.credentials import Credentials
from casfs.errors import (
    CasfsError,
    ConfigError,
    DeniedError,
    NotFoundError,
)
from casfs.tree.node import InventoryFile, OutputFile
from tests.support.archive import Archive
from tests.support.client_reading import DATA, content, names
from tests.support.emulator.running import ACCOUNT, KEY_ID, SECRET
from tests.support.server import Answer, serving
from tests.support.service import refusal


def test_the_tree_is_the_api(emulator, job, client_of):
    client = client_of()
    assert names(client, "/") == [".casfs", "vaults"]
    assert names(client, "/vaults") == ["Other.1", "v"]
    assert names(client, "/vaults/v") == ["archives", "jobs", "vault.json"]
    assert job in names(client, "/vaults/v/jobs")
    assert names(client, f"/vaults/v/jobs/{job}") == ["job.json", "output"]
    described = json.loads(content(client, f"/vaults/v/jobs/{job}/job.json"))
    assert described == emulator.describe("v", job)
    assert json.loads(content(client, "/vaults/v/vault.json"))["VaultName"] == "v"


def test_every_node_is_the_same_by_stat_and_by_list(job, client_of):
    client = client_of(listing_ttl=60.0)
    folders = ["/"]
    seen = 0
    while folders:
        for node in client.list(folders.pop()):
            path = node.path.replace("//", "/")
            same = client.stat(path)
            if not path.startswith("/.casfs/"):
                assert (type(same), same.size, same.inode) == (type(node), node.size, node.inode)
            if isinstance(node, OutputFile | InventoryFile):
                assert same.mtime == node.mtime > 0
            if node.is_directory:
                folders.append(path)
            seen += 1
    assert seen > 8


def test_the_output_is_the_archive(job, client_of):
    client = client_of()
    path = f"/vaults/v/jobs/{job}/output"
    assert client.stat(path).size == len(DATA)
    assert content(client, path) == DATA
    attributes = client.attributes(client.stat(path))
    assert attributes["verified"] == "yes"
    assert attributes["job-id"] == job
    assert attributes["tree-hash"]
    assert client.attributes(client.stat("/vaults")) == {}


def test_a_file_opens_though_what_is_beside_it_is_not_known(job, client_of, monkeypatch):
    client = client_of()

    def fail(node):
        raise CasfsError("the service is away")

    monkeypatch.setattr(client._tree, "neighbors", fail)
    assert content(client, f"/vaults/v/jobs/{job}/output") == DATA


def test_a_file_that_is_refused_while_it_is_opened_is_read_again(job, client_of, monkeypatch):
    client = client_of()
    node = client.stat(f"/vaults/v/jobs/{job}/output")
    opened = client._blocks.open(client._tree.output(node))
    neighbors = client._tree.neighbors

    def refuse(node):
        opened.store.invalidate("it was wrong", opened.store.leaves.generation, [])
        return neighbors(node)

    monkeypatch.setattr(client._tree, "neighbors", refuse)
    with contextlib.closing(client.open(node)) as file:
        assert bytes(file.pread(len(DATA), 0)) == DATA


def test_a_bug_beside_a_file_leaves_it_unused(job, client_of, monkeypatch):
    client = client_of()

    def fail(node):
        raise RuntimeError("a bug")

    monkeypatch.setattr(client._tree, "neighbors", fail)
    node = client.stat(f"/vaults/v/jobs/{job}/output")
    with pytest.raises(RuntimeError):
        client.open(node)
    stock = CacheContents(client._disk.directory, client._disk.private)
    assert stock.remove(client._tree.output(node).key, force=False)


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/vaults/nope",
        "/vaults/nope/jobs",
        "/vaults/v/nope",
        "/vaults/v/jobs/nope",
        "/vaults/v/jobs/nope/output",
        "/vaults/v/jobs/nope/job.json",
        "/vaults/v/vault.json/x",
        "/.casfs/nope",
    ],
)
@pytest.mark.parametrize("ttl", [0.0, 60.0])
def test_what_is_not_there_is_not_found(client_of, path, ttl):
    client = client_of(listing_ttl=ttl)
    for _ in range(2):
        with pytest.raises(NotFoundError) as caught:
            client.stat(path)
        assert caught.value.errno == errno.ENOENT
        with pytest.raises(NotFoundError):
            client.list(path)


@pytest.mark.parametrize("account", ["-", ACCOUNT])
def test_the_account_may_be_named(client_of, account):
    client = client_of(account=account)
    client.check()
    assert "v" in names(client, "/vaults")


def test_wrong_settings_show_at_once(client_of):
    with pytest.raises(DeniedError):
        client_of(account="77").check()
    wrong = Credentials(KEY_ID, "another secret")
    with pytest.raises(DeniedError) as caught:
        client_of(credentials=wrong).check()
    assert "another secret" not in str(caught.value)
    with pytest.raises(CasfsError) as unreachable:
        client_of(endpoint="http://127.0.0.1:1").check()
    assert unreachable.value.errno == errno.EIO


def test_wrong_settings_show_at_once_after_right_ones_too(client_of):
    client_of(account=ACCOUNT, listing_ttl=60.0).check()
    wrong = Credentials(KEY_ID, "another secret")
    with pytest.raises(DeniedError):
        client_of(account=ACCOUNT, listing_ttl=60.0, credentials=wrong).check()


def test_an_inventory_is_read_like_any_output(emulator, client_of):
    job = emulator.start("v", Type="inventory-retrieval")
    real = emulator.output("v", job).content
    client = client_of()
    assert client.stat(f"/vaults/v/jobs/{job}/output").size == len(real)
    assert content(client, f"/vaults/v/jobs/{job}/output") == real


def test_the_control_files_tell_what_is_done_and_no_secret(client_of, job):
    client = client_of()
    content(client, f"/vaults/v/jobs/{job}/output")
    status = json.loads(content(client, "/.casfs/status.json"))
    assert status["counters"]["read_bytes"] == len(DATA)
    metrics = content(client, "/.casfs/metrics").decode()
    (line,) = [line for line in metrics.splitlines() if line.startswith("casfs_read_bytes_total")]
    assert float(line.split()[1]) == len(DATA)
    shown = json.dumps(status) + metrics + repr(client.config)
    assert SECRET not in shown
    assert client.stat("/.casfs/status.json").size % 4096 == 0


def test_many_threads_read_everything(emulator, client_of, job):
    client = client_of(listing_ttl=60.0)
    path = f"/vaults/v/jobs/{job}/output"
    wrong = []

    def work():
        if content(client, path) != DATA:
            wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(entry.bytes for entry in emulator.entries(job)) < len(DATA) + 10_000


def test_a_cache_folder_that_cannot_be_used_is_reported_by_name(client_of, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--cache-dir"):
        client_of(cache_dir=tmp_path / "file")


def test_two_endpoints_share_no_knowledge(client_of, job):
    client = client_of()
    names(client, "/vaults")
    other = replace(client.config, endpoint="http://127.0.0.1:1")
    with contextlib.closing(Client(other)) as stranger, pytest.raises(CasfsError):
        stranger.list("/vaults")


JOBS = [f"job{number}" for number in range(6)]


def facts(job):
    return {
        "JobId": job,
        "Action": "ArchiveRetrieval",
        "StatusCode": "Succeeded",
        "ArchiveId": f"archive of {job}",
        "ArchiveSizeInBytes": len(DATA),
        "RetrievalByteRange": f"0-{len(DATA) - 1}",
    }


def one_vault_each(request, wire):
    """A service whose accounts have one vault each, named like the account or its only key."""
    _, owner, *path = request.path.split("/")
    if owner == "-":
        owner = request.headers["authorization"].partition("q-ak=")[2].partition("&")[0]
    match path:
        case ["vaults"]:
            return Answer(body=json.dumps({"VaultList": [{"VaultName": owner}]}).encode())
        case ["vaults", vault, *_] if vault != owner:
            return refusal(403, "AccessDeniedException")
        case ["vaults", _, "jobs"]:
            return Answer(body=json.dumps({"JobList": [facts(job) for job in JOBS]}).encode())
        case ["vaults", _, "jobs", job]:
            return Answer(body=json.dumps(facts(job)).encode())
        case ["vaults", _, "jobs", _, "output"]:
            return Archive(DATA)(request, wire)
    return refusal(404, "ResourceNotFoundException")


def test_two_keys_without_a_named_account_share_no_knowledge(client_of):
    with serving(one_vault_each) as server:
        for key, other in ("first", "second"), ("second", "first"):
            credentials = Credentials(key, "secret")
            client = client_of(endpoint=server.url, credentials=credentials, listing_ttl=60.0)
            assert names(client, "/vaults") == [key]
            with pytest.raises(NotFoundError):
                client.stat(f"/vaults/{other}/jobs/job0/output")
            assert content(client, f"/vaults/{key}/jobs/job0/output") == DATA
            client.close()


def test_all_keys_of_a_named_account_share_what_is_known(client_of):
    with serving(one_vault_each) as server:
        for key in "first", "second":
            credentials = Credentials(key, "secret")
            client = client_of(endpoint=server.url, account="77", credentials=credentials)
            assert content(client, "/vaults/77/jobs/job0/output") == DATA
            client.close()
        assert sum(stop - first for first, stop in filter(None, server.spans())) == len(DATA)


def test_a_file_that_cannot_be_fetched_ahead_is_no_reason_to_refuse_another(client_of, tmp_path):
    with serving(one_vault_each) as server:
        client = client_of(endpoint=server.url, account="77", listing_ttl=60.0)
        names(client, "/vaults/77/jobs")
        (catalog,) = (tmp_path / "cache").glob("catalog-*/*.sqlite")
        with contextlib.closing(sqlite3.connect(catalog)) as connection, connection:
            connection.execute("UPDATE jobs SET description = '{}' WHERE id = ?", (JOBS[3],))
        for job in JOBS[:3] + JOBS[4:]:
            assert content(client, f"/vaults/77/jobs/{job}/output") == DATA


def test_what_has_expired_by_the_service_s_clock_cannot_be_fetched(emulator, client_of):
    """This machine's clock may be days wrong."""
    client = client_of()
    inventory = emulator.start("v", Type="inventory-retrieval")
    assert inventory in names(client, "/vaults/v/jobs")
    assert content(client, f"/vaults/v/jobs/{inventory}/output")
    fetchable = client.fetchable
    assert inventory in {one.job for one in fetchable.all("v", ask=False)}
    later = datetime.now(UTC) + timedelta(days=2)
    client.service.clock.note({"Date": format_datetime(later, usegmt=True)})
    assert inventory not in {one.job for one in fetchable.all("v", ask=False)}
