"""Programs that bring outputs to a disk: casfs restore, and what may be used in its place.

Each begins with an empty directory, and with nothing in the kernel's caches. What takes part in a
comparison of bytes that are on disk is followed by fsync of each file, where the program does not
call it itself; the seconds of that count.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure, mounts, peers, processes
from benchmarks.bench import MIB, Bench
from benchmarks.contents import Output
from benchmarks.measure import Measures, Unit
from benchmarks.processes import BenchmarkError, Usage

SPEED = "speed"
CPU = "cpu"
MEMORY = "memory"
TITLES = {
    SPEED: ("speed, from the command to its end", Unit.MB_PER_SECOND),
    CPU: ("processor time of the program", Unit.CPU_PER_GIB),
    MEMORY: ("its peak memory", Unit.MIB),
}
ROOM = 200
"""MiB that a restore may take, whatever its size."""
_GIB = 1 << 30

Command = Callable[[Path], Sequence[str | Path]]
"""Returns the command that writes into a directory."""


@dataclass(frozen=True)
class Restores:
    """Ways to bring the outputs of one vault to a disk.

    Attributes:
        bench: the run.
        endpoint: URL of the origin.
        outputs: all of the vault, which has an inventory of them.
    """

    bench: Bench
    endpoint: str
    outputs: Sequence[Output]

    @property
    def vault(self) -> str:
        """Name of the vault."""
        return self.outputs[0].vault

    @property
    def size(self) -> int:
        """Bytes of all outputs."""
        return sum(one.size for one in self.outputs)

    def casfs(self) -> Measures:
        """Run `casfs restore`: the jobs are readable, and the catalog has the archives."""
        with self.bench.temporary() as folder:
            environment = restore_settings(self.endpoint, folder)
            refresh(self.vault, folder, environment)
            target = folder / "restored"
            command = mounts.casfs_command("restore", "--yes", self.vault, target)
            measure.start_cold()
            usage = processes.run_measured(command, folder / "log", environment)
            self._check(target)
            self._check_verified(target)
            return self._measures(usage)

    def other(self, command: Command, sync: bool) -> Measures:
        """Run another program.

        Args:
            command: writes into a directory.
            sync: whether fsync of each file follows.
        """
        with self.bench.temporary() as folder:
            target = folder / "copied"
            target.mkdir()
            measure.start_cold()
            usage = processes.run_measured(command(target), folder / "log")
            seconds = fsync_seconds(target) if sync else 0.0
            self._check(target)
            return self._measures(usage, seconds)

    def through_mount(self) -> Measures:
        """Copy through a mount with `cp`, and bring the copies to disk."""
        with (
            self.bench.temporary() as folder,
            self.bench.casfs(self.endpoint) as mount,
            mount.processor_time() as cpu,
        ):
            files = [mount.file(one) for one in self.outputs]
            numbered = zip(files, self.outputs, strict=True)
            seconds = sum(
                measure.run_seconds(["cp", "--", file, folder / one.job]) for file, one in numbered
            )
            seconds += fsync_seconds(folder)
            self._check(folder)
            memory = mount.peak_memory()
            mount.check()
        return self._measures(Usage(seconds, cpu(), memory))

    def rclone(self, *options: str) -> Command:
        """Return `rclone copy` of all outputs, with options."""
        return lambda target: peers.rclone_copy(self.endpoint, self.vault, target, options)

    def curl(self, target: Path) -> Sequence[str | Path]:
        """Return `curl -o` of the one output."""
        (output,) = self.outputs
        return peers.curl_to_file(self.endpoint, output, target / output.job)

    def aria2(self, target: Path) -> Sequence[str | Path]:
        """Return `aria2c -x8` of the one output."""
        (output,) = self.outputs
        return peers.aria2_to_file(self.endpoint, output, target / output.job)

    def _measures(self, usage: Usage, more_seconds: float = 0.0) -> Measures:
        return {
            SPEED: measure.megabytes(self.size) / (usage.seconds + more_seconds),
            CPU: usage.cpu * _GIB / self.size,
            MEMORY: usage.memory / MIB,
        }

    def _check(self, target: Path) -> None:
        files = [
            os.path.getsize(os.path.join(where, name))
            for where, _, names in os.walk(target)
            for name in names
            if ".casfs-restore" not in where
        ]
        if (len(files), sum(files)) != (len(self.outputs), self.size):
            raise BenchmarkError(
                f"{len(files)} files of {sum(files)} bytes were written, not {len(self.outputs)} "
                f"of {self.size}"
            )

    def _check_verified(self, target: Path) -> None:
        with open(target / ".casfs-restore" / "manifest.jsonl", encoding="utf-8") as manifest:
            states = [json.loads(line).get("state") for line in manifest]
        if states.count("verified") != len(self.outputs):
            raise BenchmarkError("casfs restore has not verified all that it restored")


def restore_settings(endpoint: str, folder: Path) -> dict[str, str]:
    """Return the environment of casfs, with cache and state in a folder."""
    state = {"CASFS_STATE_DIR": str(folder / "state")}
    return mounts.casfs_settings(endpoint, folder / "cache") | state


def refresh(vault: str, folder: Path, environment: dict[str, str]) -> Usage:
    """Put the archives of a vault into the catalog."""
    command = mounts.casfs_command("catalog", "refresh", vault)
    return processes.run_measured(command, folder / "refresh.log", environment)


def fsync_seconds(folder: Path) -> float:
    """Bring all files in a folder to disk, each by fsync; return the seconds that it took."""
    return measure.run_seconds(["find", folder, "-type", "f", "-exec", "sync", "--", "{}", "+"])
