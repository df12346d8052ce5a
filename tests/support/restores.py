"""A vault of cold archives of many sizes, and restores of it that may be killed at any time."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.command import run_command
from tests.support.emulator.running import KEYS, RunningEmulator, running_emulator
from tests.support.random_data import random_bytes

VAULT = "photos"
MIB = 1 << 20
LONGEST = 240.0
MANIFEST = ".casfs-restore/manifest.jsonl"


def sizes_of(count: int, large: int = 2) -> dict[str, int]:
    """Paths and sizes: most are small, some have several blocks, names are awkward."""
    found = {f"{n % 7}/{n:04}.bin": 1 + n * 977 % 70_000 for n in range(count - large - 3)}
    for n in range(large):
        found[f"large/{n}.bin"] = (5 + 4 * n) * MIB + 17
    found["blank and 'quote'/Straße ☃.txt"] = 3 * MIB
    found["-dash"] = 12
    found["x" * 251 + ".bin"] = MIB + 1
    return found


@dataclass
class Restores:
    """A vault, and commands that restore it.

    Attributes:
        home: cache and state are below it.
        files: what is archived, by its path.
        times: mtimes of the archives in seconds, by path.
        lifetime: seconds for which outputs are there.
    """

    emulator: RunningEmulator
    dialect: str
    home: Path
    files: Mapping[str, bytes]
    times: Mapping[str, int]
    lifetime: float = 86400.0
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            **KEYS,
            "HOME": str(self.home),
            "CASFS_DIALECT": self.dialect,
            "CASFS_ENDPOINT": self.emulator.url,
            "CASFS_REGION": "us-east-1",
            "CASFS_CACHE_DIR": str(self.home / "cache"),
            "CASFS_STATE_DIR": str(self.home / "state"),
            "CASFS_SETTLE_SECONDS": "3",
            **self.settings,
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "casfs", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end; returns exit status, output and errors."""
        done = run_command(arguments, self.environment)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def restore(self, destination: Path, *arguments: str) -> tuple[int, str, str]:
        return self.run("restore", VAULT, str(destination), *arguments)

    def archives(self) -> set[str]:
        return {archive for (archive,) in self.emulator.sql("SELECT id FROM archives")}

    def requested(self) -> Counter[str]:
        """How often each archive was requested, by the service's access log."""
        return Counter(entry.archive for entry in self.emulator.job_requests() if entry.archive)

    def fetched(self, path: str | None = None) -> int:
        """Bytes of outputs of archives that the service has sent; only those of one, by its path.

        What a process that was killed had asked for may be added after its end.
        """
        rows = self.emulator.sql(
            "SELECT jobs.id, archives.description FROM jobs"
            " JOIN archives ON archives.id = jobs.archive"
        )
        jobs = {job for job, name in rows if path in (None, name)}
        outputs = (one for one in self.emulator.entries() if one.is_output)
        return sum(one.bytes for one in outputs if one.path.split("/")[-2] in jobs)

    def check(self, destination: Path) -> None:
        """Check bytes, names and times of a restored directory, and that nothing else is there."""
        found = {
            str(path.relative_to(destination)): path
            for path in destination.rglob("*")
            if path.is_file() and ".casfs-restore" not in path.parts
        }
        assert set(found) == set(self.files), set(found) ^ set(self.files)
        for name, path in found.items():
            assert path.read_bytes() == self.files[name], name
            assert path.stat().st_mtime_ns == self.times[name] * 10**9, name


def manifest(destination: Path) -> list[dict[str, Any]]:
    """The lines of the manifest of a restore."""
    return [json.loads(line) for line in (destination / MANIFEST).read_text().splitlines()]


def states(destination: Path) -> dict[str, str]:
    """The state of each archive that the manifest has."""
    lines = manifest(destination)
    return {line["path"]: line["state"] for line in lines if line["type"] == "archive"}


@contextmanager
def restores(
    root: Path,
    sizes: Mapping[str, int],
    *options: str,
    dialect: str = "cas",
    lifetime: float = 86400.0,
) -> Iterator[Restores]:
    """Serve cold archives of these sizes, and an inventory that lists them."""
    files = {name: random_bytes(size, name) for name, size in sizes.items()}
    folder = root / "files"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    seed = ("--seed", f"{VAULT}={folder}", "--seed-inventory", "--fault-seed", "1")
    options = ("--output-hours", str(lifetime / 3600), *options)
    region = ("--region", "us-east-1") if dialect == "glacier" else ()
    with running_emulator(root / "emulator", *region, *seed, *options, dialect=dialect) as emulator:
        shutil.rmtree(folder)
        emulator.sql("DELETE FROM jobs WHERE kind = 'archive'")
        times = {name: 1_000_000_000 + 1000 * number for number, name in enumerate(files)}
        for name, at in times.items():
            emulator.sql("UPDATE archives SET created = ? WHERE description = ?", at, name)
        yield Restores(emulator, dialect, root / "home", files, times, lifetime)


def kill_at_random(process: "subprocess.Popen[str]", dice: random.Random, longest: float) -> bool:
    """Kill a process at some time; returns whether it still ran."""
    end = time.monotonic() + dice.uniform(0.3, longest)
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)
    ran = process.poll() is None
    process.kill()
    process.communicate()
    return ran
