"""A service that mounts read from, and a home of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.served import MIB, Served, served

SIZES = {"small": 3, "odd": 3 * MIB + 17, "folder/whole": 9 * MIB}
"""Of a byte or two, with a rest, and of whole blocks."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An emulator without faults that a whole module reads from."""
    with served(tmp_path_factory.mktemp("service"), SIZES) as running:
        yield running


@pytest.fixture(scope="module")
def mount(service: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    """A mount of `service` that a whole module reads from."""
    with mounted(tmp_path_factory.mktemp("mount"), service.url) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for the mount of one test."""
    return tmp_path / "home"
