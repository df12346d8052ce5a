"""Names that archives get in a mount: twins, clashes, folders, and what a tool did to the bytes."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.support import description_writers as writers
from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import Mount, mounted

ARCHIVES = f"vaults/{VAULT}/archives"
OLD, NEW = 1_500_000_000, 1_600_000_000
OLD_MARK = "~20170714T024000Z~"
TIME = 1_555_056_930
COMPRESSED = writers.fastglacier("docs/a.txt", TIME).replace("</m>", "<ce>1:0:00:99</ce></m>")
BOTH = writers.fastglacier("docs/b.txt", TIME).replace("</m>", "<ce>1:1:00:98</ce></m>")
TEXTS = {
    "old": "photo.jpg",
    "new": writers.mt2("photo.jpg", TIME),
    "file": "docs",
    "compressed": COMPRESSED,
    "both": BOTH,
    "folder": writers.fastglacier("empty/folder/", TIME),
    "folder-too": writers.fastglacier("docs/", TIME),
    "nothing": None,
    "blanks": "   ",
    "odd": '{"s3_key": "a/b"}',
    "percent": "my%20file 100%.pdf",
    "ancient": writers.mt2("times/1000", -30_000_000_000),
    "far": writers.mt2("times/9892", 250_000_000_000),
}
"""Descriptions, by the id of the archive, but for its zeros."""


def archive_id(name: str) -> str:
    return name.rjust(138, "0")


def content(name: str) -> bytes:
    # Of one byte, as what stands for a folder.
    return b"/" if name.startswith("folder") else f"the bytes of {name}".encode()


def add(service: Service, texts: dict[str, str | None], created: float) -> None:
    service.add_archives({archive_id(name): content(name) for name in texts}, created=created)
    for name, text in texts.items():
        service.emulator.sql(
            "UPDATE archives SET description = ? WHERE id = ?", text, archive_id(name)
        )


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving("cas", tmp_path_factory.mktemp("names"), {"seed": 5}) as service:
        old = {name: text for name, text in TEXTS.items() if name != "new"}
        add(service, old, OLD)
        add(service, {"new": TEXTS["new"]}, NEW)
        service.emulator.expire(service.jobs["seed"])
        service.add_inventory("listed")
        yield service


@pytest.fixture(scope="module")
def mount(vault: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    home = tmp_path_factory.mktemp("mount")
    settings = {**vault.settings, "CASFS_LISTING_TTL": "0"}
    with mounted(home, vault.emulator.url, **settings) as running:
        running.good(CASFS, "catalog", "refresh", VAULT)
        yield running


def second(mount: Mount, name: str, *folder: str) -> str:
    """The one older archive of a name."""
    stem = name.partition(".")[0]
    found = [entry for entry in mount.list(ARCHIVES, *folder) if entry.startswith(f"{stem}~")]
    assert len(found) == 1, found
    return found[0]


def attribute(mount: Mount, path: str, name: str) -> str | None:
    try:
        value = mount.ask(os.getxattr, mount.path(ARCHIVES, path), f"user.casfs.{name}")
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return None
    return value.decode()


def test_the_newest_has_the_plain_name(mount: Mount) -> None:
    older = second(mount, "photo.jpg")
    assert older.startswith(f"photo{OLD_MARK}")
    assert older.endswith(".jpg")
    assert mount.read(ARCHIVES, "photo.jpg") == content("new")
    assert mount.stat(ARCHIVES, "photo.jpg").st_mtime == TIME
    assert mount.read(ARCHIVES, older) == content("old")
    assert mount.stat(ARCHIVES, older).st_mtime == OLD
    assert mount.read(ARCHIVES, "by-id", archive_id("old")) == content("old")


def test_a_folder_keeps_the_name_it_shares_with_a_file(mount: Mount) -> None:
    assert mount.list(ARCHIVES, "docs") == ["a.txt.compressed", "b.txt.compressed.encrypted"]
    assert mount.read(ARCHIVES, second(mount, "docs")) == content("file")


def test_what_a_tool_did_to_the_bytes_is_reported_and_not_undone(mount: Mount) -> None:
    for path, name, size in (
        ("docs/a.txt.compressed", "compressed", "99"),
        ("docs/b.txt.compressed.encrypted", "both", "98"),
    ):
        assert mount.read(ARCHIVES, path) == content(name)
        assert mount.stat(ARCHIVES, path).st_size == len(content(name))
        assert attribute(mount, path, "original-size") == size
        assert attribute(mount, path, "compressed") == "yes"
    assert attribute(mount, "docs/a.txt.compressed", "encrypted") is None
    assert attribute(mount, "docs/b.txt.compressed.encrypted", "encrypted") == "yes"


def test_an_archive_that_stands_for_a_folder_is_one(mount: Mount) -> None:
    assert mount.list(ARCHIVES, "empty") == ["folder"]
    assert mount.list(ARCHIVES, "empty", "folder") == []
    assert mount.read(ARCHIVES, "by-id", archive_id("folder")) == content("folder")


def test_what_has_no_name_is_listed_by_its_id(mount: Mount) -> None:
    nameless = sorted(archive_id(name) for name in ("nothing", "blanks"))
    assert mount.list(ARCHIVES, "by-id") == nameless
    assert mount.read(ARCHIVES, "by-id", archive_id("nothing")) == content("nothing")
    assert mount.read(ARCHIVES, '{"s3_key": "a%2Fb"}') == content("odd")


def test_times_before_and_after_all_others(mount: Mount) -> None:
    for name, seconds in (("1000", -30_000_000_000), ("9892", 250_000_000_000)):
        told = mount.good("stat", "-c", "%y", mount.path(ARCHIVES, "times", name))
        assert datetime.fromisoformat(told.strip()) == datetime.fromtimestamp(seconds, UTC)


def test_a_newer_upload_takes_the_plain_name(mount: Mount, vault: Service) -> None:
    before, older = mount.list(ARCHIVES), second(mount, "photo.jpg")
    add(vault, {"newest": "photo.jpg"}, NEW + 100)
    vault.add_inventory("listed-later")
    mount.good(CASFS, "catalog", "refresh", VAULT)
    assert mount.read(ARCHIVES, "photo.jpg") == content("newest")
    (added,) = set(mount.list(ARCHIVES)) - set(before)
    assert mount.read(ARCHIVES, added) == content("new")
    assert added.startswith("photo~20200913T122640Z~")
    assert mount.read(ARCHIVES, older) == content("old"), "an older name stays"


def test_a_percent_sign_comes_back_as_it_was_uploaded(mount: Mount) -> None:
    assert mount.read(ARCHIVES, "my%20file 100%.pdf") == content("percent")
    assert attribute(mount, "my%20file 100%.pdf", "description") == TEXTS["percent"]
