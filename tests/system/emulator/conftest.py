"""One emulator without switches for all tests of a module that need no other."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.emulator.amazon import boto3_at, glacier
from tests.support.emulator.running import RunningEmulator, running_emulator
from tests.system.emulator.amazon_calls import DATA


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """An emulator with the defaults and an empty vault `v`."""
    with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
        running.create_vault("v")
        yield running


@pytest.fixture(scope="module")
def amazon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """An emulated Glacier with the defaults and a vault `v`."""
    with glacier(tmp_path_factory.mktemp("glacier")) as running:
        with boto3_at(running.url) as boto3:
            boto3.create_vault(vaultName="v")
        yield running


@pytest.fixture(scope="module")
def client(amazon: RunningEmulator) -> Iterator[Any]:
    """boto3's client of `amazon`."""
    with boto3_at(amazon.url) as boto3:
        yield boto3


@pytest.fixture(scope="module")
def archive(client: Any) -> str:
    """An archive of `DATA` in the vault `v`."""
    answer = client.upload_archive(vaultName="v", archiveDescription="dir/a file", body=DATA)
    found: str = answer["archiveId"]
    return found
