"""How programs read: many at once, in order, at random, by cp, tar and rsync; and what it costs."""

import hashlib
import mmap
import os
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mounting import STARTED, Mount, mounted
from tests.support.served import MIB, VAULT, Served, served


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def forwards(path: Path) -> str:
    return digest(path)


def backwards(path: Path) -> str:
    """Read from the end, past the kernel's cache."""
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        starts = range(0, size, MIB // 2)
        parts = {start: os.pread(file.fileno(), MIB // 2, start) for start in reversed(starts)}
    return hashlib.sha256(b"".join(parts[start] for start in starts)).hexdigest()


def by_mapping(path: Path) -> str:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        return hashlib.sha256(mapped).hexdigest()


@pytest.mark.parametrize("memory", ["2M", "96M"])
def test_eight_readers_ask_for_no_block_twice(tmp_path: Path, home: Path, memory: str) -> None:
    ways: list[Callable[[Path], str]] = [forwards, forwards, backwards, by_mapping]
    with served(tmp_path, {"file": 32 * MIB + 1}, "--latency-ms", "20") as service:
        with mounted(home, service.url, CASFS_MEMORY_SIZE=memory) as mount:
            path = mount.path(*service.output("file"))
            expected = hashlib.sha256(service.files["file"]).hexdigest()
            readers = [mount.begin(way, path) for way in ways * 2]
            assert [reader() for reader in readers] == [expected] * 8
            # Again, without what the kernel remembers.
            assert mount.ask(backwards, path) == expected
        counts = Counter(service.blocks())
        assert len(counts) == 33
        assert set(counts.values()) == {1}


def test_random_reads_fetch_a_block_each(tmp_path: Path, home: Path) -> None:
    def read_at_random(path: Path) -> list[tuple[int, bytes]]:
        dice = random.Random(1)
        with path.open("rb", buffering=0) as file:
            offsets = [dice.randrange(64 * MIB) // 4096 * 4096 for _ in range(24)]
            return [(offset, os.pread(file.fileno(), 4096, offset)) for offset in offsets]

    with served(tmp_path, {"file": 64 * MIB}) as service, mounted(home, service.url) as mount:
        for offset, read in mount.ask(read_at_random, mount.path(*service.output("file"))):
            assert read == service.files["file"][offset : offset + 4096]
        asked = service.blocks()
        assert len(asked) == len(set(asked)) <= 24
        assert all(last - first < MIB for _, first, last in service.ranges())


def test_a_large_output_does_not_fill_the_memory(tmp_path: Path, home: Path) -> None:
    with (
        served(tmp_path, {"file": 300 * MIB}) as service,
        mounted(home, service.url, program=STARTED) as mount,
    ):
        expected = hashlib.sha256(service.files["file"]).hexdigest()
        assert mount.ask(digest, mount.path(*service.output("file"))) == expected
        status = Path(f"/proc/{mount.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        assert int(found[1]) < 250 * 1024
        assert len(service.blocks()) == 300


def copied(service: Served, folder: Path) -> None:
    for name, data in service.files.items():
        assert (folder / VAULT / "jobs" / service.jobs[name] / "output").read_bytes() == data


def test_cp_copies_everything(service: Served, mount: Mount, home: Path) -> None:
    mount.good("cp", "-a", mount.path("vaults"), home)
    copied(service, home)
    mount.good("diff", "-r", mount.path("vaults"), home)


def test_tar_of_the_whole_mount(service: Served, mount: Mount, home: Path) -> None:
    home.mkdir()
    archive = home / "all.tar"
    assert mount.run("tar", "-cf", archive, "-C", mount.mountpoint, ".").stderr == ""
    mount.good("tar", "-cf", archive, "-C", mount.mountpoint, ".")
    mount.good("tar", "-xf", archive, "-C", home)
    copied(service, home / "vaults")
    assert (home / ".casfs" / "status.json").stat().st_size > 0
    mount.good("tar", "-df", archive, "-C", mount.mountpoint, "./vaults")


def test_rsync_copies_once(service: Served, home: Path) -> None:
    home.mkdir()
    command = ["rsync", "-a", "--itemize-changes"]
    with mounted(home / "one", service.url) as mount:
        source, target = f"{mount.path('vaults')}/", home / "copy"
        # The time of a directory is that of the newest in it, once that was listed.
        mount.good("find", source)
        first = mount.good(*command, source, target)
        # Outputs, their jobs, the archives that they are of, and the vault.
        assert first.count(">f+") == 3 * len(service.jobs) + 1
        copied(service, target)
        assert mount.good(*command, source, target) == ""
        assert mount.good(*command, "-c", source, target) == ""
    # Another mount, which knows nothing of the first: nothing looks changed.
    with mounted(home / "two", service.url) as mount:
        mount.good("find", mount.path("vaults"))
        assert mount.good(*command, f"{mount.path('vaults')}/", target) == ""


def test_parts_of_files(service: Served, mount: Mount) -> None:
    path, data = mount.path(*service.output("odd")), service.files["odd"]

    def read(size: int, offset: int) -> bytes:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)

    size = len(data)
    for first, length in (
        (0, 1),
        (MIB - 1, 2),
        (MIB, MIB),
        (MIB - 5, 2 * MIB + 9),
        (size - 1, 1),
        (size - 1, 100),
        (size, 1),
        (size + MIB, 10),
    ):
        assert mount.ask(read, length, first) == data[first : first + length], (first, length)


def test_direct_reads(service: Served, mount: Mount) -> None:
    path = mount.path(*service.output("folder/whole"))
    shell = 'dd if="$0" iflag=direct bs=1M status=none | sha256sum'
    found = mount.good("sh", "-c", shell, path).split()[0]
    assert found == hashlib.sha256(service.files["folder/whole"]).hexdigest()


def test_the_cache_keeps_its_size(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 40 * MIB}) as service:
        expected = hashlib.sha256(service.files["file"]).hexdigest()
        options = ("--cache-size", "12MiB")
        with mounted(home, service.url, *options, CASFS_MEMORY_SIZE="4M") as mount:
            path = mount.path(*service.output("file"))
            assert mount.ask(digest, path) == expected
            mount.umount()
            kept = sum(file.stat().st_size for file in mount.cache.rglob("blocks-1/*/*/0/*"))
            assert 0 < kept <= 12 * MIB
            assert mount.start(*options).returncode == 0
            assert mount.ask(digest, path) == expected
