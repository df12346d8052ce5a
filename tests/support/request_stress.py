"""Requests under stress: answers lost, lists late, processes killed, the cache removed.

Whatever happens, there is exactly one job for each archive in the end.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.command import casfs
from tests.support.emulator.running import KEYS, RunningEmulator, running_emulator
from tests.support.forked import ForkedProcess

VAULT = "photos"
UNFINISHED = 75
_LONGEST = 300.0
FAULTS = ("--fault", "lost-answer@post=0.2", "--fault", "error-after@post=0.2")


@dataclass
class Stress:
    """A vault of small archives that are all cold, and commands that request them.

    Attributes:
        home: cache and state are below it.
        settle_seconds: as in the configuration.
    """

    emulator: RunningEmulator
    dialect: str
    home: Path
    settle_seconds: float
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            **KEYS,
            "CASFS_DIALECT": self.dialect,
            "CASFS_ENDPOINT": self.emulator.url,
            "CASFS_REGION": "us-east-1",
            "CASFS_CACHE_DIR": str(self.home / "cache"),
            "CASFS_STATE_DIR": str(self.home / "state"),
            "CASFS_SETTLE_SECONDS": str(self.settle_seconds),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "casfs", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _fork(self, output: int, *arguments: str) -> ForkedProcess:
        with open(os.devnull) as nothing:
            files = nothing.fileno(), output, output
            return ForkedProcess(casfs, ("request", VAULT, *arguments), self.environment, files)

    def request(self, *arguments: str) -> tuple[int, str]:
        """Run `casfs request` to its end; returns exit status and output."""
        with tempfile.TemporaryFile() as output:
            process = self._fork(output.fileno(), *arguments)
            status = process.wait(_LONGEST)
            if status is None:
                process.kill()
            output.seek(0)
            text = output.read().decode()
        assert status is not None, text
        return status, text

    def kill_two(self, longest: float) -> int:
        """Run two requests for everything, and kill both at random; returns how many still ran."""
        killed = 0
        with open(os.devnull, "wb") as nothing:
            for process in [self._fork(nothing.fileno(), "--all", "-y") for _ in range(2)]:
                # A short while is where most of the interesting moments are.
                killed += process.wait(self.dice.uniform(0, longest)) is None
                process.kill()
                process.wait(_LONGEST)
        return killed

    def remove_cache(self) -> None:
        shutil.rmtree(self.home / "cache", ignore_errors=True)

    def finish(self) -> list[int]:
        """Run requests for everything until one is done; returns their exit statuses."""
        statuses = []
        end = time.monotonic() + _LONGEST
        while time.monotonic() < end:
            status, text = self.request("--all", "-y")
            statuses.append(status)
            if status != UNFINISHED:
                assert status == 0, text
                return statuses
            time.sleep(self.settle_seconds / 5)
        raise AssertionError(f"never done: {statuses}")

    def requested(self) -> Counter[str]:
        """How often each archive was requested, by the service's access log."""
        return Counter(entry.archive for entry in self.emulator.job_requests() if entry.archive)

    def jobs(self) -> Counter[str]:
        """How many jobs each archive has at the service."""
        rows = self.emulator.sql("SELECT archive FROM jobs WHERE kind = 'archive'")
        return Counter(archive for (archive,) in rows)

    def archives(self) -> set[str]:
        return {archive for (archive,) in self.emulator.sql("SELECT id FROM archives")}

    def check(self) -> None:
        """Check that each archive has one job, and was requested once."""
        once = Counter(dict.fromkeys(self.archives(), 1))
        assert self.jobs() == once, self.jobs() - once
        assert self.requested() == once, (self.requested() - once, once - self.requested())


@contextmanager
def stress(
    dialect: str, root: Path, archives: int, settle_seconds: float, *options: str
) -> Iterator[Stress]:
    """Serve cold archives, and an inventory that lists them."""
    files = root / "files"
    files.mkdir(parents=True)
    for number in range(archives):
        (files / f"{number:06}.bin").write_bytes(number.to_bytes(4) * 16)
    region = ("--region", "us-east-1") if dialect == "glacier" else ()
    seed = ("--seed", f"{VAULT}={files}", "--seed-inventory", "--job-seconds", "86400")
    with running_emulator(
        root / "emulator", *region, *seed, "--fault-seed", "1", *options, dialect=dialect
    ) as emulator:
        emulator.sql("DELETE FROM jobs WHERE kind = 'archive'")
        # However late lists show new jobs, the inventory is there.
        emulator.sql("UPDATE jobs SET created = created - 86400")
        yield Stress(emulator, dialect, root, settle_seconds)
