"""Whatever the emulator does wrong, and however often: right bytes or an error, in time."""

import contextlib
import threading

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from casfs.errors import CasfsError, MismatchError
from tests.support.archive import MIB, flipped, random_bytes
from tests.support.emulator.running import KEY_ID, SECRET, running_emulator

DATA = random_bytes(19 * MIB + 31, seed=12)


@contextlib.contextmanager
def client_at(url, folder, **settings):
    config = Config(url, Credentials(KEY_ID, SECRET), folder, deadline=60, **settings)
    with contextlib.closing(Client(config)) as client:
        yield client


def read_all(client, path):
    file = client.open(client.stat(path))
    try:
        return b"".join(bytes(file.pread(MIB, at)) for at in range(0, file.size, MIB))
    finally:
        file.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("seed")
    (made / "data.bin").write_bytes(DATA)
    return made


@pytest.mark.parametrize(
    ("fault", "often"),
    [
        ("reset", "1,2"),
        ("throttle", "1,2"),
        ("error-500", "1,2"),
        ("wrong-byte", "1,2"),
        ("cut-body", "1,2"),
        ("wrong-content-range", "1,2"),
        ("wrong-hash", "1,2"),
        ("ignore-range", "1,1"),
        ("ignore-range", "1"),
    ],
)
def test_faults_are_overcome(tmp_path, folder, fault, often):
    options = ("--seed", f"v={folder}", "--fault", f"{fault}={often}")
    with running_emulator(tmp_path / "emulator", *options) as emulator:
        with client_at(emulator.url, tmp_path / "cache", attempts=30) as client:
            (job,) = client.jobs("v")
            path = f"/vaults/v/jobs/{job.id}/output"
            wrong = []

            def work():
                if read_all(client, path) != DATA:
                    wrong.append(threading.current_thread().name)

            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []
            assert client.attributes(client.stat(path))["verified"] == "yes"
        assert any(entry.fault == fault for entry in emulator.entries())


@pytest.mark.parametrize("fault", ["wrong-byte", "wrong-hash", "wrong-content-range", "cut-body"])
def test_faults_without_end_are_errors_and_never_bytes(tmp_path, folder, fault):
    options = ("--seed", f"v={folder}", "--fault", f"{fault}@output=1")
    with (
        running_emulator(tmp_path / "emulator", *options) as emulator,
        client_at(emulator.url, tmp_path / "cache", attempts=2) as client,
    ):
        (job,) = client.jobs("v")
        file = client.open(client.stat(f"/vaults/v/jobs/{job.id}/output"))
        for at in (0, 7 * MIB, len(DATA) - 5):
            with pytest.raises(CasfsError):
                file.pread(100, at)
        file.close()
        assert client.metrics.as_dict()["read_bytes"] == 0


@pytest.mark.parametrize("aligned", ["absent", "present"])
def test_a_range_that_is_no_subtree_is_read_with_and_without_hashes(tmp_path, folder, aligned):
    options = ("--seed", f"v={folder}", "--hash-on-unaligned-job", aligned)
    with (
        running_emulator(tmp_path / "emulator", *options) as emulator,
        client_at(emulator.url, tmp_path / "cache") as client,
    ):
        ((archive,),) = emulator.sql("SELECT id FROM archives")
        first, stop = 3 * MIB, 14 * MIB
        job = emulator.retrieve("v", archive, RetrievalByteRange=f"{first}-{stop - 1}")
        path = f"/vaults/v/jobs/{job}/output"
        assert read_all(client, path) == DATA[first:stop]
        verified = client.attributes(client.stat(path))["verified"]
        assert verified == ("yes" if aligned == "present" else "no")


def test_an_archive_that_rotted_at_the_service_is_never_handed_on(tmp_path, folder):
    with (
        running_emulator(tmp_path / "emulator", "--seed", f"v={folder}") as emulator,
        client_at(emulator.url, tmp_path / "cache", attempts=2) as client,
    ):
        ((archive,),) = emulator.sql("SELECT id FROM archives")
        emulator.archive_file(archive).write_bytes(flipped(DATA, 10 * MIB))
        (job,) = client.jobs("v")
        file = client.open(client.stat(f"/vaults/v/jobs/{job.id}/output"))
        assert bytes(file.pread(MIB, 17 * MIB)) == DATA[17 * MIB : 18 * MIB]
        with pytest.raises(MismatchError):
            file.pread(1, 10 * MIB)
        file.close()


@pytest.mark.parametrize("status", ["206", "200"])
@pytest.mark.parametrize("alignment", ["any", "mib"])
def test_answers_to_open_questions_do_not_matter(tmp_path, folder, status, alignment):
    options = ("--seed", f"v={folder}", "--full-range", status, "--range-alignment", alignment)
    small = random_bytes(MIB + 1, seed=13)
    with (
        running_emulator(tmp_path / "emulator", *options) as emulator,
        client_at(emulator.url, tmp_path / "cache") as client,
    ):
        job = emulator.retrieve("v", emulator.upload("v", small))
        assert read_all(client, f"/vaults/v/jobs/{job}/output") == small
        assert {entry.status for entry in emulator.outputs()} <= {200, 206}
