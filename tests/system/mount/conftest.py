"""Nothing is left behind: no mount and no process, whatever the tests did."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted, mountpoints
from tests.support.processes import SESSION, marked_processes
from tests.support.served import MIB, Served, served

SIZES = {"small": 3, "odd": 3 * MIB + 17, "folder/whole": 9 * MIB}
"""Of a byte or two, with a rest, and of whole blocks."""


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    base = str(tmp_path_factory.getbasetemp())
    assert not [point for point in mountpoints() if point.startswith(base)]
    assert not marked_processes(SESSION)


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
