"""Names in a mount are UTF-8, whatever the locale of the mount or of a program is."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import Mount, mounted

DIRECTORY, NAME = "照片 é", "naïve Ω😀.txt"
ARCHIVES = f"vaults/{VAULT}/archives"
LOCALES = {
    "zh_CN.GBK": "GBK",
    "en_US.ISO-8859-1": "ISO-8859-1",
    "C": None,
}
"""Locales, and the character set of each that has to be made."""


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of locales, for `LOCPATH`."""
    directory = tmp_path_factory.mktemp("locales")
    for name, charset in LOCALES.items():
        if charset is not None:
            command = [
                "localedef",
                "-i",
                name.partition(".")[0],
                "-f",
                charset,
                str(directory / name),
            ]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
    return directory


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving("cas", tmp_path_factory.mktemp("service"), {"one": 7}) as running:
        running.describe_archive("one", f"{DIRECTORY}/{NAME}")
        running.add_inventory("inventory")
        yield running


def names_in(mount: Mount, *parts: str) -> list[bytes]:
    return sorted(mount.ask(os.listdir, os.fsencode(mount.path(ARCHIVES, *parts))))


@pytest.mark.parametrize("library", ["fuse3", "fuse"])
@pytest.mark.parametrize("locale", LOCALES)
def test_names_are_utf_8(
    service: Service, locales: Path, home: Path, locale: str, library: str
) -> None:
    # Python would otherwise take UTF-8 for the locale C.
    environment: dict[str, Any] = {
        "LC_ALL": locale,
        "LOCPATH": locales,
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "FUSE_LIBRARY_NAME": library,
    }
    with mounted(home, service.emulator.url, **environment) as mount:
        mount.good(CASFS, "catalog", "refresh", VAULT)
        assert names_in(mount) == [DIRECTORY.encode()]
        assert names_in(mount, DIRECTORY) == [NAME.encode()]
        assert mount.read(ARCHIVES, DIRECTORY, NAME) == service.files["one"]
        mount.good("cp", "-r", mount.path(ARCHIVES), home / "copy")
        assert (home / "copy" / DIRECTORY / NAME).read_bytes() == service.files["one"]


def test_the_mount_point_is_a_name_of_the_locale(
    service: Service, locales: Path, tmp_path: Path
) -> None:
    for locale in LOCALES:
        home = tmp_path / locale / "été 照"
        environment: dict[str, Any] = {"LC_ALL": locale, "LOCPATH": locales, "PYTHONUTF8": "0"}
        with mounted(home, service.emulator.url, **environment) as mount:
            assert mount.list() == [".casfs", "vaults"]
            mount.umount()
