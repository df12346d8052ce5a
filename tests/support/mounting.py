"""A real mount for tests: made by the real command, in a process of its own, never left behind.

A mount that hangs takes with it whoever touches it, so a test touches it only from child processes
that have a limit. One that passes it shows as `HungError`; the mount's process is killed first,
which ends every wait in the kernel.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.support.command import CASFS, casfs, starts_otherwise
from tests.support.emulator.running import KEYS
from tests.support.forked import ForkedProcess
from tests.support.processes import (
    MARK,
    SECONDS,
    Begun,
    HungError,
    end_processes,
    marked_processes,
    name_of,
    new_mark,
    wait_until,
)

T = TypeVar("T")
STARTED = (sys.executable, "-m", "casfs")
"""`casfs`, started rather than forked, where its memory is measured."""
FORGETFUL = (
    sys.executable,
    "-c",
    (
        "import sys; from casfs.mount import kernel_cache, mount_tuning;"
        " kernel_cache.TUNING = mount_tuning.MountTuning(remembered_files=2);"
        " from casfs.cli.main import main; sys.exit(main())"
    ),
)
"""A program that is `casfs`, and remembers of two files what the kernel was told."""


class _Started:
    """A process that runs a program."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], files: tuple[int, int, int]
    ) -> None:
        stdin, out, errors = files
        self._process = subprocess.Popen(
            command, env=environment, stdin=stdin, stdout=out, stderr=errors, cwd="/"
        )
        self.pid = self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Return its exit status, None if it has not ended by then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None


class Mount:
    """A mount: what a test does with it, and how it is taken away.

    Args:
        home: an empty folder for its configuration, cache, log and mount point.
        endpoint: URL of the service.
        environment: more `CASFS_*` settings.
        program: what to run in place of `casfs`.
    """

    def __init__(
        self,
        home: Path,
        endpoint: str,
        environment: Mapping[str, object] | None = None,
        program: Sequence[str] = (CASFS,),
    ) -> None:
        self.mountpoint = home / "mountpoint"
        self.cache = home / "cache"
        self.log_file = home / "mount.log"
        self._mark = new_mark()
        self._program = list(program)
        self.mountpoint.mkdir(parents=True, exist_ok=True)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().startswith(("casfs_", "xdg_"))
            and not name.lower().endswith("proxy")
        }
        homes = {f"XDG_{kind.upper()}_HOME": str(home / kind) for kind in ("config", "state")}
        self.environment = (
            kept
            | homes
            | {
                "HOME": str(home),
                "XDG_CACHE_HOME": str(self.cache),
                "CASFS_ENDPOINT": endpoint,
                MARK: self._mark,
                **KEYS,
                **{name: str(value) for name, value in (environment or {}).items()},
            }
        )

    # the mount itself

    def start(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run `casfs mount` until it returns; the caller looks at the exit status."""
        arguments = ["mount", "--log-file", str(self.log_file), *options, str(self.mountpoint)]
        return self.run(*self._program, *arguments)

    def start_in_front(self, *options: str) -> "subprocess.Popen[str]":
        """Run `casfs mount -f` and wait until it answers; its standard error is a pipe."""
        process = subprocess.Popen(
            [*self._program, "mount", "-f", *options, str(self.mountpoint)],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: self.is_mounted() or process.poll() is not None, "the mount to begin")
        return process

    def is_mounted(self) -> bool:
        """Tell whether the kernel has it; asks the kernel's table, so it never hangs."""
        return str(self.mountpoint) in mountpoints()

    def processes(self) -> list[int]:
        """The processes that are this mount: they outlive their parent, not their environment."""
        return marked_processes(self._mark)

    @property
    def pid(self) -> int:
        (pid,) = self.processes()
        return pid

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def status(self) -> dict[str, Any]:
        """What `.casfs/status.json` says."""
        found: dict[str, Any] = json.loads(self.read(".casfs/status.json"))
        return found

    def cached_blocks(self) -> list[Path]:
        """The files of blocks in its cache; their names are their numbers in the output."""
        return [path for path in self.cache.rglob("blocks-*/*/*/[0-9]*/*") if path.is_file()]

    def umount(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run `casfs umount`; it must do."""
        done = self.run(CASFS, "umount", *options, str(self.mountpoint))
        assert done.returncode == 0, done.stderr
        return done

    def kill(self) -> None:
        """End it as a crash would: the mount point stays, dead."""
        end_processes(self.processes)

    def remove(self) -> None:
        """Leave nothing: no mount, no process, whatever state they are in."""
        if self.is_mounted():
            fusermount("-u", self.mountpoint)
        if self.is_mounted():
            fusermount("-uz", self.mountpoint)
        end_processes(self.processes, grace=3)

    # what programs see of it

    def path(self, *parts: str) -> Path:
        return self.mountpoint.joinpath(*parts)

    def run(
        self, *command: str | Path, seconds: float = SECONDS
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program that touches the mount."""
        with (
            tempfile.TemporaryFile("w+", errors="replace") as out,
            tempfile.TemporaryFile("w+", errors="replace") as errors,
        ):
            # Files, not pipes: a detached mount keeps what it inherited, and no reader must wait.
            process = self._begin([str(part) for part in command], out.fileno(), errors.fileno())
            status = process.wait(seconds)
            if status is None:
                self._free(process.pid)
                process.wait(SECONDS)
                raise HungError(f"{command} did not end in {seconds:g} s; log:\n{self.log}")
            texts = []
            for file in (out, errors):
                file.seek(0)
                texts.append(file.read())
        return subprocess.CompletedProcess(list(command), status, *texts)

    def _begin(self, command: list[str], out: int, errors: int) -> "ForkedProcess | _Started":
        """Start a program; one that is casfs is forked, unless it would start in its own way."""
        program, *arguments = command
        with open(os.devnull) as nothing:
            files = nothing.fileno(), out, errors
            if program == CASFS and not starts_otherwise(self.environment):
                name = name_of(self._mark)
                return ForkedProcess(casfs, arguments, self.environment, files, name, "/")
            return _Started(command, self.environment, files)

    def good(self, *command: str | Path, seconds: float = SECONDS) -> str:
        """Run a program that must succeed; returns what it printed."""
        done = self.run(*command, seconds=seconds)
        assert done.returncode == 0, (command, done.returncode, done.stderr, self.log)
        return done.stdout

    def ask(self, function: Callable[..., T], *arguments: Any, seconds: float = SECONDS) -> T:
        """Return what a function returns, or raise what it raises, in a process of its own."""
        return self.begin(function, *arguments)(seconds)

    def begin(self, function: Callable[..., T], *arguments: Any) -> "Begun[T]":
        """Start a function in a process of its own; calling the result is as `ask`."""
        return Begun(function, arguments, self._free)

    def _free(self, waiting: int) -> None:
        """End whoever waits for the mount: killing the mount ends waits that ignore signals."""
        os.kill(waiting, signal.SIGKILL)
        self.kill()

    def read(self, *parts: str, seconds: float = SECONDS) -> bytes:
        return self.ask(Path.read_bytes, self.path(*parts), seconds=seconds)

    def stat(self, *parts: str) -> os.stat_result:
        return self.ask(os.stat, self.path(*parts))

    def list(self, *parts: str) -> list[str]:
        return sorted(self.ask(os.listdir, self.path(*parts)))

    def errno(self, function: Callable[..., object], *arguments: Any) -> int | None:
        """The errno that a call ends with; None if it succeeds."""
        try:
            self.ask(function, *arguments)
        except OSError as error:
            return error.errno
        return None

    def job(self, vault: str, job: str, file: str = "") -> Path:
        return self.path("vaults", vault, "jobs", job, file)


@contextlib.contextmanager
def mounted(
    home: Path,
    endpoint: str,
    *options: str,
    program: Sequence[str] = (CASFS,),
    **environment: object,
) -> Iterator[Mount]:
    """Mount with `casfs mount`; settings as `CASFS_MEMORY_SIZE="8M"`. Removed whatever happens."""
    mount = Mount(home, endpoint, environment, program)
    try:
        done = mount.start(*options)
        assert done.returncode == 0, (done.stderr, mount.log)
        yield mount
    finally:
        mount.remove()


def mountpoints() -> list[str]:
    """Where something is mounted."""
    table = Path("/proc/self/mountinfo").read_bytes()
    return [os.fsdecode(line.split(b" ")[4]) for line in table.split(b"\n") if line]


def fusermount(option: str, mountpoint: Path) -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which("fusermount") or shutil.which("fusermount3")
    assert program, "install fuse: these tests are never skipped"
    return subprocess.run(
        [program, option, "--", mountpoint], check=False, capture_output=True, timeout=SECONDS
    )
