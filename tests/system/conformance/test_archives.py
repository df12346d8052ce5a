"""Archives by name through a real mount, of every service: what a restore brings back."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import description_writers as writers
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import mounted
from tests.support.processes import wait_until
from tests.support.served import MIB
from tests.system.conformance.archives import ARCHIVES, attributes_of, refresh, settings_of

LATER = 1_555_056_930
SIZES = {"plain": 1, "mt2": MIB + 1, "fast": 4097, "cloud": 3 * MIB, "deep": 70_000, "none": 9}
TEXTS = {
    "plain": "docs/notes.txt",
    "mt2": writers.mt2("照片/2019 春/café.jpg", LATER),
    "fast": writers.fastglacier("docs/pangram.txt", LATER + 1),
    "cloud": writers.cloudberry("a_b/照片.bin", LATER + 2),
    "deep": "a_b/" + "/".join("deeper") + "/file",
    "none": "",
}
"""Descriptions that every service can hold, by the seeded file."""
PATHS = {
    "docs/notes.txt": "plain",
    "照片/2019 春/café.jpg": "mt2",
    "docs/pangram.txt": "fast",
    "a_b/照片.bin": "cloud",
    "a_b/d/e/e/p/e/r/file": "deep",
}
TIMES = {"mt2": LATER, "fast": LATER + 1, "cloud": LATER + 2}
CREATED = 1_600_000_000


@pytest.fixture(scope="module")
def vault(dialect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A vault whose inventory job is done."""
    with serving(dialect, tmp_path_factory.mktemp(dialect), SIZES) as running:
        for name, text in TEXTS.items():
            running.describe_archive(name, text, created=CREATED)
        running.add_inventory("listed")
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def inventory_reads(service: Service) -> int:
    return len([entry for entry in service.emulator.outputs() if "/jobs/listed/" in entry.path])


def files_in(folder: Path) -> dict[str, tuple[bytes, float]]:
    """Content and mtime of every file below a folder, by its path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime) for path in files
    }


def restored(service: Service) -> dict[str, tuple[bytes, float]]:
    """What a copy of `archives/` has."""
    places = {**PATHS, f"by-id/{service.archives['none']}": "none"}
    return {
        path: (service.files[name], float(TIMES.get(name, CREATED)))
        for path, name in places.items()
    }


def test_a_restore_returns_the_tree_once(vault: Service, home: Path) -> None:
    with mounted(home, vault.emulator.url, **vault.settings) as mount:
        source = f"{mount.path(ARCHIVES)}/"
        read = inventory_reads(vault)
        assert mount.list(ARCHIVES) == ["by-id"]
        assert mount.list(ARCHIVES, "by-id") == sorted(vault.archives.values())
        mount.good("ls", "-lR", source)
        assert inventory_reads(vault) == read, "listing downloads no inventory"
        refresh(mount)
        assert mount.list(ARCHIVES) == ["a_b", "by-id", "docs", "照片"]
        assert mount.list(ARCHIVES, "by-id") == [vault.archives["none"]]
        rsync = ("rsync", "-a", "--itemize-changes", source, home / "synced")
        mount.good(*rsync)
        mount.good("cp", "-a", source, home / "copied")
        (home / "unpacked").mkdir()
        packed = home / "packed.tar"
        mount.good("tar", "-C", source, "-cf", packed, ".")
        mount.good("tar", "-C", home / "unpacked", "-xf", packed)
        for copy in ("synced", "copied", "unpacked"):
            assert files_in(home / copy) == restored(vault), copy
        assert mount.good(*rsync) == ""
        asked = len(vault.emulator.outputs())
        mount.umount()
        assert mount.start().returncode == 0
        assert mount.good(*rsync) == "", "after a remount"
        assert mount.good(*rsync, "--checksum") == ""
        assert len(vault.emulator.outputs()) == asked, "all of it was cached"
    assert [entry for entry in vault.emulator.entries() if entry.method == "POST"] == []


@pytest.mark.parametrize(
    ("file", "look"), [("inventory.csv", os.stat), ("inventory.json", Path.read_bytes)]
)
def test_who_looks_at_the_inventory_gets_names(
    vault: Service, home: Path, file: str, look: Callable[[Path], object]
) -> None:
    with mounted(home, vault.emulator.url, **settings_of(vault)) as mount:
        assert mount.list(ARCHIVES) == ["by-id"]
        mount.ask(look, mount.path("vaults", VAULT, "jobs", "listed", file))
        wait_until(lambda: "docs" in mount.list(ARCHIVES), "names")
        wait_until(lambda: mount.list(ARCHIVES, "docs") == ["notes.txt", "pangram.txt"], "files")


def test_attributes_tell_where_a_file_comes_from(vault: Service, home: Path) -> None:
    with mounted(home, vault.emulator.url, **settings_of(vault)) as mount:
        refresh(mount)
        path = mount.path(ARCHIVES, "照片/2019 春/café.jpg")
        before = mount.ask(attributes_of, path)
        assert mount.ask(Path.read_bytes, path) == vault.files["mt2"]
        told = mount.ask(attributes_of, path)
        assert before["cached"] == "0"
        assert told["cached"] == str(SIZES["mt2"])
        assert told["verified"] == "yes"
        assert told["description"] == TEXTS["mt2"]
        assert told["rule"] == "mt-aws-glacier"
        assert told["archive-id"] == vault.archives["mt2"]
        assert told["job-id"] == vault.jobs["mt2"]
        assert told["created"] == datetime.fromtimestamp(CREATED, UTC).isoformat()
        assert datetime.fromisoformat(told["expires"]) > datetime.now(UTC)
        job = mount.ask(attributes_of, mount.path(vault.output("mt2")))
        assert told["tree-hash"] == job["tree-hash"]
        same = mount.path(ARCHIVES, "by-id", vault.archives["mt2"])
        assert mount.ask(attributes_of, same) == told, "it can be opened by its id, too"
        assert mount.ask(Path.read_bytes, same) == vault.files["mt2"]
        assert mount.ask(os.listxattr, mount.path(ARCHIVES, "docs")) == []
        plain = mount.ask(attributes_of, mount.path(ARCHIVES, "docs/notes.txt"))
        assert (plain["rule"], plain["description"]) == ("plain", "docs/notes.txt")
        nameless = mount.ask(attributes_of, mount.path(ARCHIVES, "by-id", vault.archives["none"]))
        assert "rule" not in nameless
