"""Clients of one emulator that share a cache folder."""

import contextlib
from dataclasses import replace

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from tests.support.client_reading import emulator_with_data
from tests.support.emulator.running import KEY_ID, SECRET
from tests.support.leftovers import no_leftover_threads


@pytest.fixture(scope="module")
def _emulator_and_archive(tmp_path_factory):
    with emulator_with_data(tmp_path_factory.mktemp("emulator")) as both:
        yield both


@pytest.fixture(scope="module")
def emulator(_emulator_and_archive):
    return _emulator_and_archive[0]


@pytest.fixture(scope="module")
def archive(_emulator_and_archive):
    """The id of the archive in vault `v`."""
    return _emulator_and_archive[1]


@pytest.fixture
def job(emulator, archive):
    return emulator.retrieve("v", archive)


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
