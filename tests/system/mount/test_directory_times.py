"""Times of directories: each has that of the newest of what is listed in it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import description_writers as writers
from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import mounted

OLD, MIDDLE, NEW = 1_500_000_000, 1_550_000_000, 1_600_000_000
TEXTS = {
    "deep": writers.mt2("a/b/c/deep", NEW),
    "shallow": writers.mt2("a/b/shallow", OLD),
    "beside": writers.mt2("a/z/beside", MIDDLE),
    "undated": "undated",
    "empty-directory": writers.fastglacier("empty/directory/", MIDDLE),
    "directory": writers.fastglacier("a/b/", NEW + 1000),
    "far": writers.mt2("far/future", 250_000_000_000),
    "late": writers.mt2("far/later", 9_300_000_000),
}


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving("cas", tmp_path_factory.mktemp("times"), {"seed": 5}) as service:
        ids = {name: name.rjust(138, "0") for name in TEXTS}
        service.add_archives({ids[name]: b"x" for name in TEXTS}, created=OLD)
        for name, text in TEXTS.items():
            service.emulator.sql(
                "UPDATE archives SET description = ? WHERE id = ?", text, ids[name]
            )
        service.add_inventory("listed")
        service.add_archives({"f" * 138: b"y"}, created=MIDDLE)
        service.add_vault("empty", created=MIDDLE)
        yield service


def times(root: Path) -> dict[str, int]:
    """The mtime of all that is below a directory, in nanoseconds."""
    found = {".": root.stat().st_mtime_ns}
    for at, directories, files in os.walk(root):
        for name in directories + files:
            path = Path(at, name)
            found[str(path.relative_to(root))] = path.stat().st_mtime_ns
    return found


def others(found: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """The directories that have another time than the newest of what is in them."""
    wrong = {}
    for directory, has in found.items():
        inside = [found[path] for path in found if path != "." and _parent(path) == directory]
        if inside and max(inside) != has:
            wrong[directory] = has, max(inside)
    return wrong


def _parent(path: str) -> str:
    return str(Path(path).parent)


@pytest.mark.parametrize("library", ["fuse3", "fuse"])
def test_a_directory_is_as_new_as_the_newest_in_it(
    vault: Service, home: Path, library: str
) -> None:
    settings = {**vault.settings, "FUSE_LIBRARY_NAME": library}
    # libfuse 2 cannot make the kernel drop a time that listing a directory has changed.
    settings["CASFS_LISTING_TTL"] = "60" if library == "fuse3" else "0"
    with mounted(home, vault.emulator.url, **settings) as mount:
        mount.good(CASFS, "catalog", "refresh", VAULT)
        # Whoever lists a directory sees its time from then on.
        mount.ask(times, mount.mountpoint)
        before = mount.ask(times, mount.mountpoint)
    assert others(before) == {}
    assert min(before.values()) >= OLD * 10**9
    archives = f"vaults/{VAULT}/archives"
    assert before[f"{archives}/a/b"] == before[f"{archives}/a"] == NEW * 10**9
    assert before[f"{archives}/a/z"] == before[f"{archives}/empty"] == MIDDLE * 10**9
    assert before[f"{archives}/far"] == before["."] == 250_000_000_000 * 10**9
    assert before[f"{archives}/by-id"] == MIDDLE * 10**9
    assert before["vaults/empty/jobs"] == MIDDLE * 10**9
    assert before["vaults/empty"] == before["vaults/empty/vault.json"]
    with mounted(home, vault.emulator.url, **settings) as mount:
        # At once: what was known is still known.
        assert mount.stat().st_mtime_ns == before["."]
        assert mount.stat("vaults", VAULT, "jobs").st_mtime_ns == before[f"vaults/{VAULT}/jobs"]
        assert mount.ask(times, mount.mountpoint) == before


def test_times_go_back_with_what_was_newest(vault: Service, home: Path) -> None:
    archives = f"vaults/{VAULT}/archives"
    with mounted(home, vault.emulator.url, **{**vault.settings, "CASFS_LISTING_TTL": "0"}) as mount:
        mount.good(CASFS, "catalog", "refresh", VAULT)
        mount.list(archives)
        assert mount.stat(archives, "a").st_mtime == NEW
        vault.emulator.expire(f"job-{'deep'.rjust(138, '0')}")
        mount.list(archives)
        assert mount.stat(archives, "a").st_mtime == MIDDLE
        assert mount.stat(archives, "a", "b").st_mtime == OLD
        assert others(mount.ask(times, mount.mountpoint)) == {}
