"""`casfs verify VAULT` against the emulator: the cache against the catalog."""

import os
import shutil

import pytest

from casfs.ranges import BLOCK_SIZE
from tests.support.emulated_service import VAULT, serving
from tests.support.schemas import checked_lines
from tests.system.cli.conftest import command_in

MIB = BLOCK_SIZE


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    sizes = {"one": 1, "two": 2 * MIB, "three": 3 * MIB + 5}
    with serving("cas", tmp_path_factory.mktemp("verify"), sizes) as running:
        running.add_inventory("inventory")
        yield running


@pytest.fixture(scope="module")
def full(service, tmp_path_factory):
    """A folder of `command_in` with everything cached, the inventory in both forms, too."""
    folder = tmp_path_factory.mktemp("full")
    casfs = command_in(folder, service.emulator.url)
    assert casfs("catalog", "refresh", VAULT).returncode == 0
    assert casfs("fetch", VAULT, "--all").returncode == 0
    assert casfs("cat", VAULT, "inventory", "--inventory", "csv").returncode == 0
    return folder


@pytest.fixture
def folder(full, tmp_path):
    """A copy of that folder, to be damaged."""
    shutil.copytree(full, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def casfs(service, folder):
    return command_in(folder, service.emulator.url)


def states(done):
    """The state of each output by its name or its job."""
    lines = [one for one in checked_lines(done.stdout) if one["message_type"] == "archive"]
    return {line["path"] or line["job"]: line["state"] for line in lines}


def blocks(folder, size):
    """The files of cached blocks of so many bytes."""
    found = folder.glob("cache/blocks-1/??/*/0/*")
    return sorted(path for path in found if path.stat().st_size == size)


def flip(path, offset=0):
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_good_cache_is_verified_without_the_service(casfs, service, folder):
    before = len(service.emulator.entries())
    used = {path: path.stat().st_mtime_ns for path in folder.glob("cache/blocks-1/??/*/0/*")}
    done = casfs("verify", VAULT, "-v")
    assert (done.returncode, done.stderr) == (0, b"")
    first, *lines, last = done.stdout.decode().splitlines()
    assert first.startswith(f"checking the cache in {folder / 'cache'} against the catalog: 5 ")
    assert "--restored DEST" in first
    assert len(lines) == 5
    # An inventory comes without a hash of the service.
    unverified = [line for line in lines if not line.endswith(": whole and right")]
    assert [line.partition(": ")[0] for line in unverified] == ["inventory"]
    assert last.startswith("5 outputs, ")
    assert ": 4 whole and right; 1 unverified: no hash" in last
    assert len(service.emulator.entries()) == before
    # It is not a use: eviction goes by that.
    assert used == {path: path.stat().st_mtime_ns for path in used}
    quiet = casfs("verify", VAULT, service.archives["two"])
    assert quiet.stdout.decode().splitlines()[1:] == ["1 output, 2.0 MiB: 1 whole and right"]


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_wrong_block_is_found_named_and_removed(casfs, service, folder, damage):
    (path, *_) = blocks(folder, MIB)
    if damage == "flip":
        flip(path, 12345)
    else:
        os.truncate(path, 1000)
    done = casfs("verify", VAULT, "--json")
    assert done.returncode == 3
    found = states(done)
    assert sorted(found.values()) == ["unverified", *["verified"] * 3, "wrong"]
    assert b"did not match" in done.stderr
    # What is wrong is gone: fetching brings it back, and the next check is content.
    assert casfs("fetch", VAULT, "--all").returncode == 0
    assert casfs("verify", VAULT).returncode == 0


def test_a_damaged_converted_inventory_is_found(casfs, folder):
    (kept,) = folder.glob("cache/blocks-1/??/*/kept")
    flip(kept)
    done = casfs("verify", VAULT, "--json")
    assert (done.returncode, states(done)["inventory.csv"]) == (3, "wrong")


def test_what_is_there_in_part_is_right_and_patterns_must_find_something(casfs, folder, service):
    (last,) = blocks(folder, 5)
    last.unlink()
    done = casfs("verify", VAULT, "--json")
    assert done.returncode == 0
    assert sorted(states(done).values()) == ["partial", "unverified", *["verified"] * 3]
    for wanted in ((VAULT, "nothing"), ("no-such-vault",)):
        missing = casfs("verify", *wanted)
        assert missing.returncode == 1
        assert b"is in the cache; see: casfs cache ls" in missing.stderr
    assert casfs("verify").returncode == 2
    assert casfs("verify", VAULT, "--restored", "x").returncode == 2


def damage_leaves(folder, count, damage):
    """Damage the leaves of the output with so many blocks, which were stored an hour ago."""
    (output,) = (
        path.parent
        for path in folder.glob("cache/blocks-1/??/*/leaves")
        if len(list(path.parent.glob("0/*"))) == count
    )
    for path in output.glob("0/*"):
        os.utime(path, (path.stat().st_atime - 3600, path.stat().st_mtime - 3600))
    records = bytearray((output / "leaves").read_bytes())
    if damage == "trust":
        records[0] = 0xA5
    elif damage == "record":
        records[:33] = bytes(33)
    elif damage == "leaf":
        records[7] ^= 1
    (output / "leaves").write_bytes(b"" if damage == "file" else records)


@pytest.mark.parametrize("damage", ["trust", "record", "leaf", "file"])
def test_damaged_leaves_are_made_again_if_the_whole_vouches_for_them(casfs, folder, damage):
    damage_leaves(folder, 4, damage)
    done = casfs("verify", VAULT, "--json")
    assert (done.returncode, states(done)["three"]) == (0, "verified"), done.stderr
    assert b"casfs: " not in done.stderr
    # Nothing need be fetched again.
    assert b"3.0 MiB of 3.0 MiB" in casfs("verify", VAULT, "three", "-v").stdout


@pytest.mark.parametrize("damage", ["trust", "file"])
def test_a_block_for_which_nothing_vouches_any_more_is_named(casfs, folder, damage):
    (last,) = blocks(folder, 5)
    damage_leaves(folder, 4, damage)
    last.unlink()
    done = casfs("verify", VAULT, "--json")
    assert (done.returncode, states(done)["three"]) == (1, "unreadable")
    told = "hash of block 0 is damaged; the block was removed"
    if damage == "file":
        told = "hashes of 3 blocks are damaged; the blocks were removed"
    assert f"three: unreadable: the recorded {told}".encode() in done.stderr
    again = casfs("verify", VAULT, "--json")
    assert (again.returncode, states(again).get("three", "partial")) == (0, "partial")
