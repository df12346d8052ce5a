"""Jobs begin, end and expire, and services come and go: what a client shows meanwhile."""

import errno
import json

import pytest

from casfs.errors import (
    ExpiredError,
    NotFoundError,
)
from tests.support.archive import MIB, Archive
from tests.support.blocks import block_files
from tests.support.client_reading import DATA, content, names
from tests.support.emulator.running import running_emulator
from tests.support.server import Answer, serving


def test_a_running_job_has_no_output_until_it_is_done(emulator, client_of, job):
    emulator.sql("UPDATE jobs SET completed = 9999999999 WHERE id = ?", job)
    client = client_of()
    folder = f"/vaults/v/jobs/{job}"
    assert names(client, folder) == ["job.json"]
    with pytest.raises(NotFoundError):
        client.stat(f"{folder}/output")
    emulator.finish(job)
    assert content(client, f"{folder}/output") == DATA


def test_a_later_job_for_the_same_archive_finds_the_cached_blocks(
    emulator, archive, client_of, job
):
    client = client_of()
    content(client, f"/vaults/v/jobs/{job}/output")
    later = emulator.retrieve("v", archive)
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


def test_two_clients_share_a_cache_folder(client_of, job, tmp_path):
    path = f"/vaults/v/jobs/{job}/output"
    one, two = client_of(), client_of()
    assert content(one, path) == content(two, path) == DATA
    one.close()
    two.close()
    assert len(block_files(tmp_path / "cache")) == 6
