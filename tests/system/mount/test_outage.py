"""The service is away for a while, or somebody answers in its place: nothing fails or is lost."""

import json
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.support.mounting import STARTED, Mount, mounted
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin, content
from tests.support.server import Answer, Request, Wire, serving

MIB = 1 << 20
OUTAGE = 12
"""Seconds; ten attempts with their pauses take less."""
BIG = {"JobId": "big", "@size": 12 * MIB + 5, "@seed": 3}
SMALL = [{"JobId": f"j{n}", "@size": 100, "@seed": n} for n in range(5)]


@contextmanager
def refused(origin: RunningOrigin, root: Path) -> Iterator[None]:
    origin.stop()
    yield
    origin.start()


@contextmanager
def silent(origin: RunningOrigin, root: Path) -> Iterator[None]:
    origin.pause()
    yield
    origin.go_on()


@contextmanager
def overloaded(origin: RunningOrigin, root: Path) -> Iterator[None]:
    origin.misbehave({"do": {"status": 503, "text": "", "headers": {"Retry-After": "4"}}})
    yield


@contextmanager
def gateway(origin: RunningOrigin, root: Path) -> Iterator[None]:
    origin.misbehave({"do": {"status": 404, "html": "<html>no such page</html>"}})
    yield


@pytest.mark.parametrize("outage", [refused, silent, overloaded, gateway])
def test_an_outage_in_the_middle_of_a_copy_costs_no_error(tmp_path, home, outage):
    vaults = {"v": {"jobs": [BIG]}}
    copy = tmp_path / "copy"
    with RunningOrigin(tmp_path / "origin", vaults) as origin:
        origin.misbehave({"when": {"call": "output"}, "do": {"rate": MIB // 2}})
        with mounted(home, origin.url, CASFS_READ_TIMEOUT=2) as mount:
            command = ["cp", mount.job("v", "big", "output"), copy]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as cp:
                wait_until(lambda: copy.exists() and copy.stat().st_size > MIB, "the copy to begin")
                with outage(origin, tmp_path):
                    # As long as it takes, and not a moment to wait for.
                    threading.Event().wait(OUTAGE)
                origin.misbehave()
                _, told = cp.communicate(timeout=120)
            assert (cp.returncode, told) == (0, "")
            assert copy.read_bytes() == content(BIG)
            assert " ERROR " not in mount.log


def test_rsync_deletes_nothing_while_a_gateway_answers(tmp_path, home):
    restored = tmp_path / "restored"
    with (
        RunningOrigin(tmp_path / "origin", {"v": {"jobs": SMALL}}) as origin,
        mounted(home, origin.url, CASFS_LISTING_TTL=0.01, CASFS_ATTEMPTS=1) as mount,
    ):
        command = ["rsync", "-a", "--delete", f"{mount.path('vaults')}/", restored]
        assert mount.run(*command).returncode == 0
        before = sorted(restored.rglob("*"))
        assert sum(path.name == "output" for path in before) == len(SMALL)
        for status in (404, 302):
            origin.misbehave({"do": {"status": status, "html": "<html>a portal</html>"}})
            mount.run(*command)
            assert sorted(restored.rglob("*")) == before
        assert "404, text/html" in mount.log
        assert "not an answer of the service" in mount.log


@cache
def bomb() -> bytes:
    """A listing of about 1000 MiB, as gzip."""
    beginning, middle = b'{"JobList": [', b'{"JobId":"a"},' * (MIB // 14)
    begun = zlib.compressobj(wbits=31)
    out = begun.compress(beginning) + begun.flush(zlib.Z_FULL_FLUSH)
    # After a full flush, equal pieces are equal bytes, so one is enough to be compressed.
    piece = zlib.compressobj(wbits=-15)
    repeated = piece.compress(middle) + piece.flush(zlib.Z_FULL_FLUSH)
    crc = zlib.crc32(beginning)
    for _ in range(1000):
        crc = zlib.crc32(middle, crc)
    size = len(beginning) + 1000 * len(middle)
    return out + 1000 * repeated + b"\x03\x00" + struct.pack("<II", crc, size)


def gzip_of_a_gigabyte(request: Request, wire: Wire) -> Answer:
    return Answer(body=bomb(), headers={"Content-Encoding": "gzip"})


def json_without_end(request: Request, wire: Wire) -> None:
    wire.send(Answer(headers={"Content-Length": str(1 << 40)}).head + b'{"JobList": [')
    while True:
        wire.send(b'{"JobId": "a"},' * 4096)


def pages_without_end(request: Request, wire: Wire) -> Answer:
    number = int(request.query.get("marker", "0"))
    jobs = [{"JobId": f"{number}-{n}", "JobDescription": "x" * 900} for n in range(1000)]
    return Answer(body=json.dumps({"JobList": jobs, "Marker": str(number + 1)}).encode())


HOSTILE = [gzip_of_a_gigabyte, json_without_end, pages_without_end]


@pytest.mark.parametrize("listing", HOSTILE)
def test_a_hostile_listing_takes_neither_the_memory_nor_the_disk(home, listing):
    def behave(request, wire):
        if request.path.endswith("/jobs"):
            return listing(request, wire)
        vault = {"VaultName": "v", "VaultQCS": "q"}
        return Answer(body=json.dumps({"VaultList": [vault], **vault}).encode())

    with (
        serving(behave) as server,
        mounted(home, server.url, program=STARTED, CASFS_DEADLINE=4) as m,
    ):
        assert m.run("ls", m.path("vaults", "v", "jobs")).returncode != 0
        # What was begun in the background ends, too.
        wait_until(lambda: settled(server, m), "the listing to end")
        assert peak(m) < 200
        assert sum(path.stat().st_size for path in m.cache.rglob("*") if path.is_file()) < 900 * MIB


def settled(server, mount: Mount) -> bool:
    """Whether nothing was asked for a second."""
    before = len(server.requests)
    threading.Event().wait(1)
    return len(server.requests) == before


def peak(mount: Mount) -> int:
    """The most memory that a mount has had, MiB."""
    lines = Path(f"/proc/{mount.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
