"""Inodes of archives: cp walks by them, and they stay while a copy goes on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import Mount, mounted

DIRECTORY = f"vaults/{VAULT}/archives/many"
COUNT = 3000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Archives of one directory, uploaded in another order than that of their names."""
    with serving("cas", tmp_path / "service", {"x": 1}) as running:
        running.add_archives({f"{number * 7 % COUNT:05}": b"x" for number in range(COUNT)})
        running.emulator.sql(
            "UPDATE archives SET description = 'many/long-common-name-' || id || '.jpg'"
            " WHERE length(id) = 5"
        )
        running.add_inventory("inventory")
        yield running


def inodes(directory: Path) -> dict[str, int]:
    return {entry.name: entry.inode() for entry in os.scandir(directory)}


def of_stat(directory: Path, names: list[str]) -> list[int]:
    return [(directory / name).stat().st_ino for name in names]


def test_no_two_are_alike_and_they_sort_as_names_do(service: Service, home: Path) -> None:
    def look(mount: Mount) -> dict[str, int]:
        found = mount.ask(inodes, mount.path(DIRECTORY))
        some = sorted(found)[::100]
        assert mount.ask(of_stat, mount.path(DIRECTORY), some) == [found[name] for name in some]
        return found

    with mounted(home, service.emulator.url) as mount:
        mount.good(CASFS, "catalog", "refresh", VAULT)
        found = look(mount)
        assert len(set(found.values())) == len(found) == COUNT
        assert sorted(found, key=lambda name: found[name]) == sorted(found)
    with mounted(home, service.emulator.url) as mount:
        assert look(mount) == found
