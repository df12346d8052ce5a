"""The core behind every door, against the emulator: tree, bytes, and life without the service."""

import contextlib
import errno
import json
import threading
from dataclasses import replace

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from casfs.errors import (
    CasfsError,
    ConfigError,
    DeniedError,
    ExpiredError,
    NotFoundError,
)
from tests.emulator.running import ACCOUNT, KEY_ID, SECRET, running_emulator
from tests.support.archive import MIB, Archive, random_bytes
from tests.support.blocks import block_files
from tests.support.leftovers import no_leftover_threads
from tests.support.server import Answer, serving

DATA = random_bytes(5 * MIB + 99, seed=9)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
        for vault in ("v", "Other.1"):
            running.create_vault(vault)
        running.archive = running.upload("v", DATA, "a/b c.bin")  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def job(emulator):
    return emulator.retrieve("v", emulator.archive)


@pytest.fixture(autouse=True)
def _no_leftovers(emulator):
    with no_leftover_threads():
        yield


@pytest.fixture
def client_of(emulator, tmp_path):
    """Make clients that share a cache; a listing is never fresh unless asked for."""
    with contextlib.ExitStack() as stack:

        def made(**settings) -> Client:
            config = Config(
                endpoint=emulator.url,
                credentials=Credentials(KEY_ID, SECRET),
                cache_dir=tmp_path / "cache",
                listing_ttl=0.0,
                attempts=2,
                deadline=20.0,
            )
            client = Client(replace(config, **settings))
            stack.callback(client.close)
            return client

        yield made


def names(client, path):
    return sorted(node.path.rpartition("/")[2] for node in client.list(path))


def content(client, path):
    file = client.open(client.stat(path))
    try:
        return b"".join(bytes(file.pread(700_001, at)) for at in range(0, file.size, 700_001))
    finally:
        file.close()


def test_the_tree_is_the_api(emulator, job, client_of):
    client = client_of()
    assert names(client, "/") == [".casfs", "vaults"]
    assert names(client, "/vaults") == ["Other.1", "v"]
    assert names(client, "/vaults/v") == ["jobs", "vault.json"]
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
                assert (same.size, same.folder, same.inode) == (node.size, node.folder, node.inode)
            if node.content is None and not node.folder:
                assert same.mtime == node.mtime > 0
            if node.folder:
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


def test_a_running_job_has_no_output_until_it_is_done(emulator, client_of, job):
    emulator.sql("UPDATE jobs SET completed = 9999999999 WHERE id = ?", job)
    client = client_of()
    folder = f"/vaults/v/jobs/{job}"
    assert names(client, folder) == ["job.json"]
    with pytest.raises(NotFoundError):
        client.stat(f"{folder}/output")
    emulator.finish(job)
    assert content(client, f"{folder}/output") == DATA


def test_a_later_job_for_the_same_archive_finds_the_cached_blocks(emulator, client_of, job):
    client = client_of()
    content(client, f"/vaults/v/jobs/{job}/output")
    later = emulator.retrieve("v", emulator.archive)
    asked = len(emulator.outputs())
    assert content(client, f"/vaults/v/jobs/{later}/output") == DATA
    assert len(emulator.outputs()) == asked


def test_an_expired_job_stays_if_it_is_whole_in_the_cache(emulator, client_of, job):
    client = client_of()
    path = f"/vaults/v/jobs/{job}/output"
    before = client.stat(path)
    content(client, path)
    client.close()
    emulator.expire(job)
    for client in (client_of(), client_of()):
        assert job in names(client, "/vaults/v/jobs")
        assert content(client, path) == DATA
        after = client.stat(path)
        assert (after.inode, after.mtime) == (before.inode, before.mtime)
        assert json.loads(content(client, f"/vaults/v/jobs/{job}/job.json"))["Retained"] is True


def test_an_expired_job_that_is_partly_cached_goes_and_its_readers_get_estale(
    emulator, client_of, job
):
    client = client_of()
    path = f"/vaults/v/jobs/{job}/output"
    file = client.open(client.stat(path))
    assert bytes(file.pread(MIB, 0)) == DATA[:MIB]
    emulator.expire(job)
    assert bytes(file.pread(MIB, 0)) == DATA[:MIB]
    with pytest.raises(ExpiredError) as caught:
        file.pread(1, len(DATA) - 1)
    assert caught.value.errno == errno.ESTALE
    file.close()
    assert job not in names(client, "/vaults/v/jobs")
    with pytest.raises(NotFoundError):
        client.stat(path)


def test_without_the_service_what_is_known_is_served(tmp_path, client_of):
    with running_emulator(tmp_path / "second") as other:
        other.create_vault("v")
        job = other.retrieve("v", other.upload("v", DATA))
        url = other.url
        client = client_of(endpoint=url)
        path = f"/vaults/v/jobs/{job}/output"
        assert names(client, "/vaults/v/jobs") == [job]
        assert content(client, path) == DATA
        client.close()
    for client in (client_of(endpoint=url), client_of(endpoint=url)):
        assert names(client, "/vaults") == ["v"]
        assert names(client, "/vaults/v/jobs") == [job]
        assert content(client, path) == DATA
        assert client.metrics.as_dict()["stale_listings"] != 0


def test_a_size_that_the_job_does_not_tell_is_measured_once(client_of):
    archive = Archive(DATA)
    job = {"JobId": "j", "Action": "ArchiveRetrieval", "StatusCode": "Succeeded", "ArchiveId": "a"}
    listings = {
        "/-/vaults": {"VaultList": [{"VaultName": "v"}]},
        "/-/vaults/v/jobs": {"JobList": [job]},
    }

    def behave(request, wire):
        if request.path in listings:
            return Answer(body=json.dumps(listings[request.path]).encode())
        return archive(request, wire)

    with serving(behave) as server:
        for _ in range(2):
            client = client_of(endpoint=server.url)
            node = client.stat("/vaults/v/jobs/j/output")
            assert node.size == len(DATA)
            assert content(client, node.path) == DATA
            client.close()
        assert server.spans().count((0, MIB)) == 2, "once to measure, once to read"


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


def test_two_clients_share_a_cache_folder(client_of, job, tmp_path):
    path = f"/vaults/v/jobs/{job}/output"
    one, two = client_of(), client_of()
    assert content(one, path) == content(two, path) == DATA
    one.close()
    two.close()
    assert len(block_files(tmp_path / "cache")) == 6


def test_a_cache_folder_that_cannot_be_used_is_told_by_name(client_of, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--cache-dir"):
        client_of(cache_dir=tmp_path / "file")


def test_two_endpoints_share_no_knowledge(client_of, job):
    client = client_of()
    names(client, "/vaults")
    other = replace(client.config, endpoint="http://127.0.0.1:1")
    with contextlib.closing(Client(other)) as stranger, pytest.raises(CasfsError):
        stranger.list("/vaults")
