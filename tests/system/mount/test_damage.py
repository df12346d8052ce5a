"""A service that damages its answers: right bytes or an error, and never a wrong byte."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.served import MIB, VAULT, Served, served


def read_blocks(path: Path, size: int) -> list[bytes | int]:
    """Read block by block, each as a program would that goes on after an error: bytes or errno."""
    found: list[bytes | int] = []
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for offset in range(0, size, MIB):
            read = b""
            try:
                while piece := os.pread(file.fileno(), MIB - len(read), offset + len(read)):
                    read += piece
                found.append(read)
            except OSError as error:
                # What was handed on before the error counts too.
                found.append(read or error.errno or 0)
    return found


def assert_no_wrong_byte(found: list[bytes | int], data: bytes) -> None:
    for block, read in enumerate(found):
        if isinstance(read, bytes):
            assert data[block * MIB :].startswith(read), f"block {block} has wrong bytes"


def errors(found: list[bytes | int]) -> dict[int, int]:
    return {block: read for block, read in enumerate(found) if isinstance(read, int)}


def assert_all_copied(service: Served, mount: Mount, folder: Path) -> None:
    """Copy everything as a user would, who must not notice anything."""
    done = mount.run("cp", "-r", "--", mount.path("vaults", VAULT, "jobs"), folder)
    assert (done.returncode, done.stderr) == (0, "")
    for name, data in service.files.items():
        assert (folder / service.jobs[name] / "output").read_bytes() == data, name
    assert " ERROR " not in mount.log


def test_a_fifth_of_all_answers_damaged(tmp_path: Path, home: Path) -> None:
    fault = dict.fromkeys(["wrong-byte", "cut-body", "error-500", "throttle"], 0.05)
    sizes = {f"small {number}": 1 + number * 9999 for number in range(80)}
    sizes |= {"large": 40 * MIB + 5, "a": 9 * MIB, "b": 8 * MIB - 1}
    with served(tmp_path, sizes, fault=fault) as service, mounted(home, service.url) as mount:
        assert_all_copied(service, mount, home / "copy")
        assert set(service.faults()) <= set(fault)
        # Of some 100 answers; fewer are less likely than one in 100,000.
        assert len(service.faults()) >= 5


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "block by block"])
def test_a_byte_that_is_always_wrong(tmp_path: Path, home: Path, in_order: bool) -> None:
    with served(tmp_path, {"file": 20 * MIB + 9, "other": 3 * MIB}) as service:
        service.spoil("file", 9 * MIB + 123)
        with mounted(home, service.url, CASFS_ATTEMPTS=3) as mount:
            path, data = mount.path(*service.output("file")), service.files["file"]
            if in_order:
                copy = home / "copy"
                done = mount.run("cp", "--", path, copy)
                assert done.returncode == 1
                assert "Input/output error" in done.stderr
                assert data.startswith(copy.read_bytes())
                # Not more is withheld than the subtree of one GET.
                assert copy.stat().st_size >= 8 * MIB
            found = mount.ask(read_blocks, path, len(data))
            assert_no_wrong_byte(found, data)
            assert 9 in errors(found)
            assert set(errors(found)) <= set(range(8, 16))
            assert set(errors(found).values()) == {errno.EIO}
            assert mount.read(*service.output("other")) == service.files["other"]
            assert "tree hash" in mount.log
            # The wrong byte is not in the cache either.
            mount.umount()
            assert mount.start().returncode == 0
            again = mount.ask(read_blocks, path, len(data))
            assert_no_wrong_byte(again, data)
            assert 9 in errors(again)


SHORT: dict[str, Any] = {"CASFS_READ_TIMEOUT": 0.15, "CASFS_DEADLINE": 60}
SOME = ["reset", "stall", "ignore-range", "wrong-content-range", "wrong-hash", "wrong-byte"]


@pytest.mark.parametrize("name", SOME)
def test_a_fault_now_and_then_goes_unnoticed(tmp_path: Path, home: Path, name: str) -> None:
    sizes = {f"small {number}": MIB // 2 + number for number in range(16)}
    sizes |= {"large": 17 * MIB + 1}
    with served(tmp_path, sizes, fault={f"{name}@output": 0.4}) as service:
        with mounted(home, service.url, **SHORT, CASFS_ATTEMPTS=20) as mount:
            assert_all_copied(service, mount, home / "copy")
        assert set(service.faults()) == {name}


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("reset", False),
        ("stall", False),
        ("cut-body", False),
        ("error-500", False),
        ("throttle", False),
        ("wrong-byte", False),
        ("wrong-content-range", False),
        ("wrong-hash", False),
        ("ignore-range", True),
    ],
)
def test_a_fault_without_end_is_an_error_and_no_wrong_byte(
    tmp_path: Path, home: Path, name: str, readable: bool
) -> None:
    with served(tmp_path, {"file": 2 * MIB + 1}, fault={f"{name}@output": 1}) as service:
        with mounted(home, service.url, **SHORT, CASFS_ATTEMPTS=2) as mount:
            path, data = mount.path(*service.output("file")), service.files["file"]
            found = mount.ask(read_blocks, path, len(data))
            assert_no_wrong_byte(found, data)
            done = mount.run("cat", "--", path)
            if readable:
                assert errors(found) == {}
                assert done.returncode == 0
            else:
                assert errors(found) == dict.fromkeys(range(3), errno.EIO)
                assert (done.returncode, done.stdout) == (1, "")
                assert "Input/output error" in done.stderr
        assert service.faults()


def cached_blocks(mount: Mount) -> list[Path]:
    return sorted(mount.cached_blocks(), key=lambda path: int(path.name))


def test_a_rotten_cache_is_mended(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 9 * MIB}) as service:
        with mounted(home, service.url) as mount:
            assert mount.read(*service.output("file")) == service.files["file"]
        blocks = cached_blocks(mount)
        assert len(blocks) == 9
        os.truncate(blocks[1], 1000)
        blocks[3].unlink()
        data = bytearray(blocks[5].read_bytes())
        data[777] ^= 1
        blocks[5].write_bytes(data)
        blocks[7].write_bytes(b"")
        asked = len(service.emulator.entries())
        with mounted(home, service.url) as mount:
            assert mount.read(*service.output("file")) == service.files["file"]
            assert mount.status()["counters"]["rotten_blocks"] >= 1
        assert sorted({block for _, block in service.blocks(asked)}) == [1, 3, 5, 7]


def test_every_range_is_aligned(tmp_path: Path, home: Path) -> None:
    sizes = {"file": 21 * MIB + 77, "small": 5}
    with served(tmp_path, sizes, "--range-alignment", "mib") as service:
        with mounted(home, service.url) as mount:
            for name, data in service.files.items():
                assert mount.read(*service.output(name)) == data
                mount.good("tail", "-c", "3", mount.path(*service.output(name)))
        assert_aligned(service)


def assert_aligned(service: Served) -> None:
    ranges = service.ranges()
    assert ranges
    ends = {f"/{service.jobs[name]}/output": len(data) for name, data in service.files.items()}
    for path, first, last in ranges:
        size = next(size for end, size in ends.items() if path.endswith(end))
        assert first % MIB == 0
        assert (last + 1) % MIB == 0 or last + 1 == size
