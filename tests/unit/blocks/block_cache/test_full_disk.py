"""A disk without room, or that takes nothing, slows nothing down and makes nothing wrong."""

import contextlib
import errno
import os
import shutil
import subprocess

import pytest

from casfs.errors import CasfsError
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, root
from tests.support.blocks import block_files, bringing, leaves_file
from tests.support.disks import disk, fill, use_up_inodes
from tests.support.processes import wait_until
from tests.support.server import serving
from tests.support.service import refusal

DATA = random_bytes(12 * MIB + 5, seed=6)
OUTPUT = output_of_bytes(DATA, root(DATA))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")


@contextlib.contextmanager
def tmpfs(folder, size):
    """A small file system of its own."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "casfs-test", str(folder)], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def read_all(reader):
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, reader.size, MIB))


@needs_root
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "one pass"])
def test_a_full_disk_does_not_disturb_reading(tmp_path, ranges):
    archive = Archive(DATA, ranges=ranges, hashes=ranges)
    with tmpfs(tmp_path / "full", 4 * MIB) as folder, serving(archive) as server:
        with bringing(server.url, folder) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
            parts.cache.close()
            assert parts.count("unsaved_blocks") > 0
        for path in block_files(folder).values():
            first = int(path.name) * MIB
            assert path.read_bytes() == DATA[first : first + MIB]
        assert list(folder.glob("blocks-*/temporary/*")) == []
        with bringing(server.url, folder) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA


@needs_root
def test_no_room_for_a_single_byte_does_not_disturb_reading(tmp_path):
    with tmpfs(tmp_path / "full", MIB) as folder, serving(Archive(DATA)) as server:
        with bringing(server.url, folder) as parts:
            with contextlib.suppress(OSError):
                (folder / "filler").write_bytes(bytes(2 * MIB))
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert block_files(folder) == {}
        (folder / "filler").unlink()


@contextlib.contextmanager
def read_only(folder):
    """The same folder, on a file system that takes nothing more."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@needs_root
def test_a_cache_that_becomes_read_only_is_read_all_the_same(tmp_path, caplog):
    """Though the job has expired, and an output is opened that nobody had open."""
    with serving(Archive(DATA)) as server:
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
        server.behaviour = lambda request, wire: refusal(404, "ResourceNotFoundException")
        with bringing(server.url, tmp_path) as parts, read_only(tmp_path):
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert parts.cache.open(OUTPUT).verified() == "yes"
    assert caplog.text == ""


@needs_root
def test_a_read_only_cache_does_not_disturb_reading(tmp_path, caplog):
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        with read_only(tmp_path):
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert parts.cache.open(OUTPUT).verified() == "yes"
            parts.write_behind.close(60)
        assert parts.count("unsaved_blocks") == OUTPUT.layout.blocks
    assert caplog.text.count("cannot write hashes") == 1
    assert caplog.text.count("blocks are not cached") == 1


def test_leaves_that_cannot_be_read_cost_fetching_again(tmp_path, caplog):
    with serving(Archive(DATA)) as server:
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
        leaves = leaves_file(tmp_path)
        leaves.unlink()
        leaves.mkdir()
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
    assert "fetching their blocks again" in caplog.text


@needs_root
def test_a_whole_with_a_hash_that_has_no_room_to_wait_is_reported(tmp_path):
    """It may be handed on only when all of it is there, and has nowhere to wait."""
    archive = Archive(DATA, ranges=False)
    with (
        tmpfs(tmp_path / "full", 4 * MIB) as folder,
        serving(archive) as server,
        bringing(server.url, folder) as parts,
    ):
        with pytest.raises(CasfsError, match="make room in the cache directory") as caught:
            parts.reader(OUTPUT).pread(1, 0)
        assert caught.value.errno == errno.EIO
        assert list(folder.glob("blocks-*/temporary/*")) == []
        assert parts.count("received_bytes") == 0, "that it has no room is known before"


@needs_root
def test_a_whole_that_waits_leaves_the_disk_its_reserve(tmp_path):
    """A cache never fills its disk."""
    archive = Archive(DATA, ranges=False)
    size = len(DATA) + MIB // 8
    with (
        tmpfs(tmp_path / "nearly full", size) as folder,
        serving(archive) as server,
        bringing(server.url, folder) as parts,
    ):
        with pytest.raises(CasfsError, match="make room in the cache directory"):
            parts.reader(OUTPUT).pread(1, 0)
        subprocess.run(["mount", "-o", f"remount,size={2 * size}", folder], check=True)
        assert read_all(parts.reader(OUTPUT)) == DATA


@needs_root
def test_a_whole_with_a_hash_waits_in_memory_where_no_file_can_be_made(tmp_path):
    with (
        disk(tmp_path / "disk", 64 * MIB, files=50) as folder,
        serving(Archive(DATA, ranges=False)) as server,
        bringing(server.url, folder) as parts,
    ):
        use_up_inodes(folder)
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.cache.open(OUTPUT).verified() == "yes"


@needs_root
def test_a_small_whole_with_a_hash_waits_in_memory_where_there_is_no_room(tmp_path):
    data = DATA[: 5 * MIB + 3]
    output = output_of_bytes(data, root(data))
    with (
        disk(tmp_path / "disk", 4 * MIB) as folder,
        serving(Archive(data, ranges=False)) as server,
        bringing(server.url, folder) as parts,
    ):
        fill(folder)
        assert read_all(parts.reader(output)) == data
        assert parts.cache.open(output).verified() == "yes"


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "one pass"])
def test_what_is_read_after_the_cache_was_emptied_is_kept(tmp_path, ranges):
    """Blocks, and what says that they are good."""
    archive = Archive(DATA, ranges=ranges, hashes=ranges)
    with serving(archive) as server:
        with bringing(server.url, tmp_path, memory=2 * MIB) as parts:
            reader = parts.reader(OUTPUT)
            assert read_all(reader) == DATA
            wait_until(lambda: not parts.write_behind.unwritten, "blocks to be written")
            shutil.rmtree(tmp_path / "blocks-1")
            assert read_all(reader) == DATA
        with bringing(server.url, tmp_path, memory=2 * MIB) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert parts.blocks("disk") >= OUTPUT.layout.blocks - 4
