"""A name that begins to mean another archive: no byte of the one is taken for the other's."""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import FORGETFUL, Mount, mounted
from tests.support.processes import wait_until
from tests.support.served import MIB

SIZES = {"old": 3 * MIB + 5, "new": 5 * MIB + 7}
NAME = "photo.raw"
HOUR = 3600


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Two archives of one name, and an inventory from before and from after the newer upload."""
    with serving("glacier", tmp_path / "service", SIZES) as running:
        nothing = dict.fromkeys(("archive", "first", "last", "tree_hash", "output_size"))
        now = time.time()
        for hours, name in ((3, "old"), (1, "new")):
            running.emulator.sql(
                "UPDATE archives SET description = ?, created = ? WHERE id = ?",
                NAME,
                now - hours * HOUR,
                running.archives[name],
            )
        for hours, job in ((2, "before"), (0, "after")):
            completed = now - hours * HOUR
            running.add_job("old", job, kind="inventory", completed=completed, **nothing)
        yield running


def archives_of(mount: Mount) -> Path:
    return mount.path("vaults", VAULT, "archives")


def take_in(archives: Path, inventory: str, archive: str) -> None:
    """Read an inventory, and wait until the name means an archive; do not look at its size."""
    (archives.parent / "jobs" / inventory / "output").read_bytes()

    def is_meant() -> bool:
        # Looking into a folder has inventories taken in that are there.
        os.listdir(archives / "by-id")
        try:
            return archive_id(archives / NAME) == archive
        except FileNotFoundError:
            return False

    wait_until(is_meant, "the inventory")


def archive_id(file: Path) -> str:
    return os.getxattr(file, "user.casfs.archive-id").decode()


def read_all(file: int) -> bytes:
    found = b""
    while piece := os.pread(file, MIB, len(found)):
        found += piece
    return found


def read_before_and_after(archives: Path, ids: Mapping[str, str]) -> tuple[bytes, int, bytes]:
    """Return what the name means first, and then: its size, its bytes."""
    take_in(archives, "before", ids["old"])
    first = (archives / NAME).read_bytes()
    for output in archives.glob("../jobs/*/output"):
        output.stat()
    take_in(archives, "after", ids["new"])
    file = os.open(archives / NAME, os.O_RDONLY)
    return first, os.fstat(file).st_size, read_all(file)


def read_both_open(archives: Path, ids: Mapping[str, str]) -> tuple[bytes, bytes, bytes, str]:
    """Return what the name means to who has it open, to who opens it then, and to the first again.

    And last, the id of the archive that it means to both.
    """
    take_in(archives, "before", ids["old"])
    old = os.open(archives / NAME, os.O_RDONLY)
    begin = os.pread(old, MIB, 0)
    (archives.parent / "jobs" / "after" / "output").read_bytes()
    # The other one stands in `by-id` until then.
    wait_until(lambda: "by-id" not in os.listdir(archives), "both names")
    new = os.open(archives / NAME, os.O_RDONLY)
    rest = b""
    while piece := os.pread(old, 3 * MIB, MIB + len(rest)):
        rest += piece
    return begin + rest, read_all(new), read_all(old), archive_id(archives / NAME)


def test_who_opens_a_name_gets_the_archive_that_it_means_then(service: Service, home: Path) -> None:
    with mounted(home, service.emulator.url, **service.settings) as mount:
        first, size, then = mount.ask(read_before_and_after, archives_of(mount), service.archives)
        assert first == service.files["old"]
        assert (size, then) == (SIZES["new"], service.files["new"])
        assert " ERROR " not in mount.log


def test_what_was_forgotten_is_dropped_by_the_kernel(service: Service, home: Path) -> None:
    """The kernel has the old size and the old pages, and casfs no longer knows that."""
    settings = {**service.settings, "CASFS_LISTING_TTL": "60"}
    with mounted(home, service.emulator.url, program=FORGETFUL, **settings) as mount:
        _, size, then = mount.ask(read_before_and_after, archives_of(mount), service.archives)
        assert (size, then) == (SIZES["new"], service.files["new"])


def test_who_has_a_name_open_goes_on_reading_the_same_archive(service: Service, home: Path) -> None:
    with mounted(home, service.emulator.url, **service.settings) as mount:
        *read, meant = mount.ask(read_both_open, archives_of(mount), service.archives)
        assert read == [service.files["old"]] * 3
        assert meant == service.archives["old"]
        # With nobody left who reads the old one, the name means the new one.
        assert mount.read("vaults", VAULT, "archives", NAME) == service.files["new"]
        assert " ERROR " not in mount.log


def read_when_it_is_gone(archives: Path, ids: Mapping[str, str]) -> tuple[int, bytes]:
    """Return size and bytes of an open file whose name means nothing any more."""
    take_in(archives, "before", ids["old"])
    file = os.open(archives / NAME, os.O_RDONLY)
    (archives.parent / "jobs" / "after" / "output").read_bytes()
    wait_until(lambda: NAME not in os.listdir(archives), "the name to go")
    return os.fstat(file).st_size, read_all(file)


def test_what_is_open_outlives_its_name(service: Service, home: Path) -> None:
    service.emulator.sql("DELETE FROM jobs WHERE id = ?", service.jobs["new"])
    settings = {**service.settings, "CASFS_LISTING_TTL": "0"}
    with mounted(home, service.emulator.url, **settings) as mount:
        size, read = mount.ask(read_when_it_is_gone, archives_of(mount), service.archives)
        assert (size, read) == (SIZES["old"], service.files["old"])
        assert mount.errno(os.stat, archives_of(mount) / NAME) == errno.ENOENT
