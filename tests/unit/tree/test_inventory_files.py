"""Inventory files: made once of an output, kept, exact, and never of half an output."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from casfs.errors import CasfsError, DeadlineError, InventoryError, NotFoundError
from casfs.tree.inventory.entry import ArchiveEntry
from tests.support.archive import MIB, root
from tests.support.client_reading import content, names
from tests.support.inventories import VAULT, InventoryService, client_at
from tests.support.inventory_forms import in_csv, in_json, read
from tests.support.server import serving
from tests.support.service_csv import CREATED, HASH, written

ENTRIES = [
    ArchiveEntry(f"archive-{number}", f'{number} "photo", C:\\x\\', CREATED, number, HASH)
    for number in range(20_000)
]
FACTS = {"VaultQCS": "v", "InventoryDate": CREATED}
JSON_OUTPUT = in_json(ENTRIES, FACTS)
OUTPUTS = {
    "json": JSON_OUTPUT,
    "csv": written(ENTRIES),
    "short": in_json(ENTRIES[:3], FACTS),
    "cut": JSON_OUTPUT[: 2 * MIB],
}
assert len(JSON_OUTPUT) > 3 * MIB


@pytest.fixture
def service():
    return InventoryService(dict(OUTPUTS))


@pytest.fixture
def server(service):
    with serving(service) as running:
        yield running
        service.open.set()


@pytest.fixture
def client(server, tmp_path):
    with closing(client_at(server.url, tmp_path)) as made:
        yield made


def path(job, file):
    return f"/vaults/v/jobs/{job}/{file}"


def kept(folder):
    return sorted(folder.glob("blocks-*/??/*/kept"))


def test_both_files_hold_what_the_output_holds(client):
    for job in ("json", "csv"):
        csv = content(client, path(job, "inventory.csv"))
        assert client.stat(path(job, "inventory.csv")).size == len(csv)
        assert csv == in_csv(ENTRIES)
        text = content(client, path(job, "inventory.json"))
        assert client.stat(path(job, "inventory.json")).size == len(text)
        assert read(text)[0] == ENTRIES
        assert json.loads(text)["ArchiveList"][7]["ArchiveDescription"] == ENTRIES[7].description


def test_json_of_a_json_output_is_the_output(client, tmp_path):
    assert content(client, path("json", "inventory.json")) == JSON_OUTPUT
    assert kept(tmp_path) == []


def test_json_of_a_csv_names_the_vault_and_no_date(client):
    _, facts = read(content(client, path("csv", "inventory.json")))
    assert facts == {"VaultQCS": VAULT, "InventoryDate": None}


def test_listing_reads_no_output(client, server):
    folder = "/vaults/v/jobs/csv"
    assert names(client, folder) == ["inventory.csv", "inventory.json", "job.json", "output"]
    sizes = {node.path.rpartition("/")[2]: node.size for node in client.list(folder)}
    assert sizes["output"] is sizes["inventory.csv"] is None
    assert server.spans() == []
    size = client.stat(f"{folder}/inventory.csv").size
    (listed,) = [node for node in client.list(folder) if node.path.endswith("/inventory.csv")]
    assert listed == client.stat(f"{folder}/inventory.csv")
    assert listed.size == size


def test_time_and_attributes_are_those_of_the_output(client):
    node, output = client.stat(path("csv", "inventory.csv")), client.stat(path("csv", "output"))
    assert node.mtime == output.mtime
    attributes, of_output = client.attributes(node), client.attributes(output)
    of_job = ("job-id", "verified", "expires", "requested")
    assert attributes == {name: of_output[name] for name in of_job}


def test_a_file_that_was_found_in_the_cache_is_marked_as_unverified(tmp_path):
    """Whoever plants it can compute its digests as well."""

    class Hashed(InventoryService):
        def _job(self, job):
            return super()._job(job) | {"SHA256TreeHash": root(self.outputs[job]).hex()}

    with serving(Hashed({"csv": written(ENTRIES)})) as server:
        with closing(client_at(server.url, tmp_path)) as client:
            right = content(client, path("csv", "inventory.json"))
            verified = client.attributes(client.stat(path("csv", "inventory.json")))["verified"]
            assert verified == "yes"
        (file,) = kept(tmp_path)
        plant(file, right.replace(b"photo", b"phony"))
        with closing(client_at(server.url, tmp_path)) as client:
            assert content(client, path("csv", "inventory.json")) != right
            verified = client.attributes(client.stat(path("csv", "inventory.json")))["verified"]
            assert verified == "no"
            assert client.attributes(client.stat(path("csv", "output")))["verified"] == "yes"


def plant(file, data):
    leaves = [hashlib.sha256(data[at : at + MIB]).digest() for at in range(0, len(data), MIB)]
    facts = b"".join(leaves) + len(data).to_bytes(8)
    file.write_bytes(data + facts + hashlib.sha256(facts).digest())


def test_it_is_made_once_for_all_who_want_it(client, server, service, tmp_path):
    service.open.clear()
    with ThreadPoolExecutor(8) as pool:
        found = [
            pool.submit(client.stat, path("csv", name))
            for name in ("inventory.csv", "inventory.json")
            for _ in range(4)
        ]
        assert service.asked.wait(20)
        service.open.set()
        sizes = {future.result().size for future in found}
    assert len(sizes) == 2
    assert len(kept(tmp_path)) == 2
    spans = server.spans()
    assert len(spans) == len(set(spans))


def test_who_makes_one_is_asked_once(server, service, tmp_path):
    made = []
    with closing(client_at(server.url, tmp_path)) as client:
        client._ingest.catch_up = lambda vault, job: made.append(job)
        service.open.clear()
        with ThreadPoolExecutor(6) as pool:
            found = [pool.submit(client.stat, path("csv", "inventory.csv")) for _ in range(6)]
            assert service.asked.wait(20)
            service.open.set()
            assert len({future.result().size for future in found}) == 1
        content(client, path("csv", "inventory.csv"))
    assert made == ["csv"]


def test_who_waits_gives_up_when_nothing_goes_on(server, service, tmp_path):
    with closing(client_at(server.url, tmp_path, deadline=0.5)) as client:
        service.open.clear()
        with ThreadPoolExecutor(4) as pool:
            found = [pool.submit(client.stat, path("csv", "inventory.csv")) for _ in range(4)]
            for future in found:
                with pytest.raises(DeadlineError):
                    future.result()
        service.open.set()
    with closing(client_at(server.url, tmp_path)) as client:
        assert client.stat(path("csv", "inventory.csv")).size == len(in_csv(ENTRIES))


def test_who_waits_has_the_error_of_who_made_it(server, service, tmp_path):
    with closing(client_at(server.url, tmp_path)) as client:
        service.open.clear()
        with ThreadPoolExecutor(4) as pool:
            found = [pool.submit(client.stat, path("cut", "inventory.csv")) for _ in range(4)]
            assert service.asked.wait(20)
            service.open.set()
            for future in found:
                with pytest.raises(InventoryError, match="truncated"):
                    future.result()


def test_a_cut_output_makes_no_file_and_stays_readable(client, server, tmp_path):
    with pytest.raises(InventoryError, match=r"inventory.csv of the output of job cut in vault v"):
        client.stat(path("cut", "inventory.csv"))
    assert kept(tmp_path) == []
    assert content(client, path("cut", "output")) == OUTPUTS["cut"]
    before = len(server.requests)
    with pytest.raises(InventoryError, match="truncated"):
        client.open(client.list("/vaults/v/jobs/cut")[-1])
    # Its size is measured again, but nothing is read again.
    assert server.spans().count((MIB, 2 * MIB)) == 1
    assert len(server.requests) <= before + 3
    client.close()
    assert list((tmp_path / "blocks-1" / "temporary").iterdir()) == []


def test_it_is_found_again_by_another_process(server, tmp_path):
    with closing(client_at(server.url, tmp_path)) as client:
        data = content(client, path("csv", "inventory.csv"))
    server.requests.clear()
    with closing(client_at(server.url, tmp_path)) as client:
        assert content(client, path("csv", "inventory.csv")) == data
        assert client.metrics.as_dict()["read_bytes"] == 0
    assert server.spans() == []


def test_a_rotten_file_is_made_again_while_it_is_read(server, tmp_path):
    with closing(client_at(server.url, tmp_path)) as client:
        data = content(client, path("csv", "inventory.csv"))
    (place,) = kept(tmp_path)
    with place.open("r+b") as file:
        file.seek(MIB + 5)
        file.write(b"\0\0")
    with closing(client_at(server.url, tmp_path)) as client:
        assert content(client, path("csv", "inventory.csv")) == data
        assert client.metrics.as_dict()["rotten_blocks"] == 1
    with closing(client_at(server.url, tmp_path)) as client:
        assert content(client, path("csv", "inventory.csv")) == data
        assert client.metrics.as_dict()["rotten_blocks"] == 0


def test_a_retained_inventory_needs_no_service(server, service, tmp_path):
    with closing(client_at(server.url, tmp_path)) as client:
        data = content(client, path("csv", "output"))
    service.gone = True
    server.requests.clear()
    with closing(client_at(server.url, tmp_path)) as client:
        assert read(content(client, path("csv", "inventory.json")))[0] == ENTRIES
        assert content(client, path("csv", "inventory.csv")) == in_csv(ENTRIES)
        assert content(client, path("csv", "output")) == data
    assert server.spans() == []


def test_a_cache_too_small_for_it_costs_only_time(server, tmp_path):
    with closing(client_at(server.url, tmp_path, cache_size=MIB)) as client:
        for _ in range(2):
            assert content(client, path("csv", "inventory.csv")) == in_csv(ENTRIES)


def test_many_threads_read_one_file(client):
    data = in_csv(ENTRIES)
    client.stat(path("json", "inventory.csv"))
    file = client.open(client.stat(path("json", "inventory.csv")))
    start = threading.Barrier(8)

    def reads(number):
        start.wait()
        step = 70_001 + number
        return b"".join(bytes(file.pread(step, at)) for at in range(0, file.size, step))

    with ThreadPoolExecutor(8) as pool:
        assert all(found == data for found in pool.map(reads, range(8)))
    assert file.pread(10, file.size) == b""
    file.close()


def test_other_jobs_have_none(client):
    with pytest.raises(NotFoundError):
        client.stat(path("none", "inventory.csv"))


def test_a_full_disk_is_said(client, tmp_path):
    folder = tmp_path / "blocks-1" / "temporary"
    folder.rmdir()
    folder.write_bytes(b"in the way")
    with pytest.raises(CasfsError, match="make room"):
        client.stat(path("short", "inventory.csv"))
