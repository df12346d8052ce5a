"""An emulator with files that tests know, and what its access log says of a mount."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.emulator.running import Entry, RunningEmulator, running_emulator
from tests.support.random_data import random_bytes

MIB = 1 << 20
VAULT = "v"


class Served:
    """A running emulator and the files that it serves in vault `v`."""

    def __init__(self, emulator: RunningEmulator, files: Mapping[str, bytes]) -> None:
        self.emulator = emulator
        self.files = files
        rows = emulator.sql(
            "SELECT archives.description, jobs.id, archives.id FROM jobs"
            " JOIN archives ON archives.id = jobs.archive"
        )
        self.jobs = {name: job for name, job, _ in rows}
        self.archives = {name: archive for name, _, archive in rows}

    @property
    def url(self) -> str:
        return self.emulator.url

    def output(self, name: str) -> tuple[str, str, str, str, str]:
        """The output of a file, as parts of a path in the mount."""
        return ("vaults", VAULT, "jobs", self.jobs[name], "output")

    def spoil(self, name: str, offset: int) -> None:
        """Change a byte for good: its block never matches its hash again."""
        with self.emulator.archive_file(self.archives[name]).open("r+b") as file:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    def run_on(self, name: str) -> None:
        """Let the job of a file be running, for an hour from now."""
        job = self.jobs[name]
        self.emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", time.time() + 3600, job)

    def ranges(self, since: int = 0) -> list[tuple[str, int, int]]:
        """Path, first and last byte of every GET of an output, from the log's line `since` on."""
        return [_range(entry) for entry in self.emulator.entries()[since:] if entry.is_output]

    def blocks(self, since: int = 0) -> list[tuple[str, int]]:
        """Path and number of every block that was asked for, as often as it was."""
        return [
            (path, block)
            for path, first, last in self.ranges(since)
            for block in range(first // MIB, last // MIB + 1)
        ]

    def faults(self) -> list[str]:
        return [entry.fault for entry in self.emulator.entries() if entry.fault]


def _range(entry: Entry) -> tuple[str, int, int]:
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", entry.range or "")
    assert match, f"asked for an output without a range: {entry}"
    return entry.path, int(match[1]), int(match[2])


@contextmanager
def served(
    root: Path, sizes: Mapping[str, int], *options: str, fault: Mapping[str, float] | None = None
) -> Iterator[Served]:
    """Serve files of these sizes, with further options of the emulator, and with faults."""
    files = {name: random_bytes(size, name) for name, size in sizes.items()}
    folder = root / "files"
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    faults = [
        part for name, share in (fault or {}).items() for part in ("--fault", f"{name}={share}")
    ]
    seed = ["--seed", f"{VAULT}={folder}", "--fault-seed", "1"]
    with running_emulator(root / "emulator", *seed, *faults, *options) as emulator:
        yield Served(emulator, files)
