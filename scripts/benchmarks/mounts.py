"""Mounts to compare: casfs, and what a mount of any program looks like to a scenario."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.contents import Output
from benchmarks.processes import BenchmarkError


@dataclass(frozen=True)
class Mount:
    """A mount that answers.

    Attributes:
        mountpoint: where it stands.
        process: serves it.
    """

    mountpoint: Path
    process: "subprocess.Popen[bytes]"

    def file(self, output: Output) -> Path:
        """Return the file of an output."""
        return self.mountpoint / output.file

    def folder(self, vault: str) -> Path:
        """Return the folder that holds everything of a vault's outputs."""
        return self.mountpoint / vault

    def peak_memory(self) -> int:
        """Return the most bytes of memory that were resident so far."""
        return processes.peak_memory(self.process.pid)

    @contextlib.contextmanager
    def processor_time(self) -> Iterator[Callable[[], float]]:
        """Yield a function that returns the processor seconds of the context, once it has ended.

        Those of the mount's process and of its children.
        """
        started = processes.cpu_seconds(self.process.pid)
        ended = started

        def seconds() -> float:
            return ended - started

        yield seconds
        ended = processes.cpu_seconds(self.process.pid)

    def check(self) -> None:
        """Raise a `BenchmarkError` if the mount did not do what it is measured for."""


class CasfsMount(Mount):
    """A mount of casfs."""

    def file(self, output: Output) -> Path:
        """Return the file of an output."""
        return self.folder(output.vault) / output.job / "output"

    def folder(self, vault: str) -> Path:
        """Return the folder of a vault's jobs."""
        return self.mountpoint / "vaults" / vault / "jobs"

    def archives(self, vault: str) -> Path:
        """Return the folder of a vault's archives by their names."""
        return self.mountpoint / "vaults" / vault / "archives"

    def counters(self) -> dict[str, Any]:
        """Return the counters of `.casfs/status.json`."""
        status = json.loads((self.mountpoint / ".casfs" / "status.json").read_bytes())
        counters: dict[str, Any] = status["counters"]
        return counters

    def check_not_fetched(self) -> None:
        """Raise a `BenchmarkError` if any byte of an output came from the service."""
        received = self.counters()["received_bytes"]
        if received:
            raise BenchmarkError(f"casfs fetched {received} bytes that its cache should hold")

    def check(self) -> None:
        """Raise a `BenchmarkError` unless all that came was verified and nothing failed."""
        counters = self.counters()
        bad = {
            name: counters[name]
            for name in ("unchecked_blocks", "rotten_blocks", "failures")
            if counters.get(name)
        }
        if bad:
            raise BenchmarkError(f"casfs did not verify all, or met failures: {bad}")


def casfs_command(*words: str | Path) -> list[str | Path]:
    """Return the command line of casfs."""
    return [sys.executable, "-m", "casfs", *words]


def casfs_settings(endpoint: str, cache: Path) -> dict[str, str]:
    """Return the environment of casfs for an origin, with a given cache folder."""
    return {
        "CASFS_CONFIG": os.devnull,
        "CASFS_ENDPOINT": endpoint,
        "CASFS_ACCESS_KEY_ID": "benchmark",
        "CASFS_SECRET_ACCESS_KEY": "benchmark",
        "CASFS_CACHE_DIR": str(cache),
    }


@contextlib.contextmanager
def casfs(
    endpoint: str, folder: Path, cache: Path, settings: Mapping[str, str] | None = None
) -> Iterator[CasfsMount]:
    """Mount the origin with casfs and its default options, until the context ends.

    Args:
        endpoint: URL of the origin.
        folder: for the mount point and the log; its own.
        cache: the cache folder, kept.
        settings: more of the environment's settings, such as `CASFS_CACHE_SIZE`.
    """
    mountpoint = folder / "mnt"
    mountpoint.mkdir(parents=True)
    log = folder / "casfs.log"
    command = casfs_command("mount", "-f", "--log-file", log, mountpoint)
    process = processes.start(command, log, casfs_settings(endpoint, cache) | dict(settings or {}))
    status = mountpoint / ".casfs" / "status.json"
    try:
        processes.wait_until(status.exists, process, "casfs", log)
        yield CasfsMount(mountpoint, process)
    finally:
        processes.unmount(process, mountpoint)
