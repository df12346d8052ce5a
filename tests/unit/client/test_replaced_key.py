"""A key that the service refuses: when another one is asked whose account it is."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from casfs.errors import CasfsError, ForbiddenError
from tests.support.leftovers import no_leftover_threads
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin

JOBS = [{"JobId": name, "@size": 3000} for name in ("one", "two")]
OLD, NEW = Credentials("OLD", "secret"), Credentials("NEW", "secret")
HANGING = {"when": {"call": "vaults", "key_not": ["OLD"]}, "do": {"hang": True}}
REFUSED = {"when": {"key_not": ["NEW"]}, "do": {"status": 403, "error": "ExpiredTokenException"}}


@pytest.fixture
def origin(tmp_path):
    with RunningOrigin(tmp_path / "o", {"v": {"jobs": JOBS}}) as running:
        yield running


@contextlib.contextmanager
def client_with(origin: RunningOrigin, cache: Path, there: Credentials, deadline: float):
    """A client that knows the vaults, and finds `there` when its key is refused."""
    config = Config(
        endpoint=origin.url,
        credentials=OLD,
        cache_dir=cache,
        deadline=deadline,
        find_key_again=lambda: there,
    )
    with Client(config) as client:
        client.list("/vaults/v/jobs")
        yield client


def read(client: Client, job: str) -> bytes:
    with contextlib.closing(client.open(client.stat(f"/vaults/v/jobs/{job}/output"))) as file:
        return bytes(file.pread(3000, 0))


def test_a_key_that_did_not_change_is_not_asked_for_its_vaults(origin, tmp_path):
    with client_with(origin, tmp_path / "c", OLD, 20) as client:
        asked = len(origin.requests("vaults"))
        denied = {"status": 403, "error": "AccessDeniedException"}
        origin.misbehave({"when": {"call": "output"}, "do": denied})
        for job in ("one", "two"):
            with pytest.raises(ForbiddenError):
                read(client, job)
        assert len(origin.requests("vaults")) == asked


def test_closing_ends_a_look_at_the_vaults_of_a_new_key(origin, tmp_path):
    with (
        no_leftover_threads(),
        client_with(origin, tmp_path / "c", NEW, 60) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = len(origin.requests("vaults"))
        origin.misbehave(HANGING, REFUSED)
        reading = pool.submit(read, client, "one")
        wait_until(lambda: len(origin.requests("vaults")) > asked, "the new key to be looked at")
        client.close()
        with pytest.raises(CasfsError):
            reading.result(60)
