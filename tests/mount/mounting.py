"""A real mount for tests: made by the real command, in a process of its own, never left behind.

A mount that hangs takes with it whoever touches it, so a test touches it only from child processes
that have a limit. One that passes it shows as `HungError`; the mount's process is killed first,
which ends every wait in the kernel.
"""

import contextlib
import json
import os
import pickle
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.emulator.running import KEYS

T = TypeVar("T")

CASFS = str(Path(sys.executable).with_name("casfs"))
SECONDS = 60.0
"""Whatever takes longer has hung."""

_MARK = "CASFS_TEST_MOUNT"
"""Names in the environment of a mount's process which test's it is, since it leaves its parent."""

SESSION = uuid.uuid4().hex
"""Begins the mark of every mount of this run."""


class HungError(AssertionError):
    """Something that touches a mount did not end."""


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
        self._mark = f"{SESSION}-{uuid.uuid4().hex}"
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
                _MARK: self._mark,
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
            process = subprocess.Popen(
                [str(part) for part in command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                cwd="/",
            )
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._free(process.pid)
                process.wait()
                raise HungError(
                    f"{command} did not end in {seconds:g} s; log:\n{self.log}"
                ) from None
            texts = []
            for file in (out, errors):
                file.seek(0)
                texts.append(file.read())
        return subprocess.CompletedProcess(list(command), status, *texts)

    def good(self, *command: str | Path, seconds: float = SECONDS) -> str:
        """Run a program that must succeed; returns what it printed."""
        done = self.run(*command, seconds=seconds)
        assert done.returncode == 0, (command, done.returncode, done.stderr, self.log)
        return done.stdout

    def ask(self, function: Callable[..., T], *arguments: Any, seconds: float = SECONDS) -> T:
        """Return what a function returns, or raise what it raises, in a process of its own."""
        return self.begin(function, *arguments)(seconds)

    def begin(self, function: Callable[..., T], *arguments: Any) -> Callable[..., T]:
        """Start a function in a process of its own; the result waits for it, then is as `ask`."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _answer(function, arguments, writing)
        os.close(writing)

        def finish(seconds: float = SECONDS) -> T:
            data, end = b"", time.monotonic() + seconds
            with open(reading, "rb", buffering=0) as pipe:
                while True:
                    left = max(0.0, end - time.monotonic())
                    if not select.select([pipe], [], [], left)[0]:
                        self._free(child)
                        os.waitpid(child, 0)
                        raise HungError(
                            f"{function.__name__}{arguments} did not end in {seconds:g} s; "
                            f"log:\n{self.log}"
                        )
                    piece = pipe.read(1 << 20)
                    if not piece:
                        break
                    data += piece
            os.waitpid(child, 0)
            failed, result = pickle.loads(data)
            if failed:
                raise result
            value: T = result
            return value

        return finish

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


def _answer(function: Callable[..., object], arguments: Sequence[object], pipe: int) -> None:
    """Be the child: send the result, or the error, and end without any clean-up of the parent's."""
    try:
        try:
            answer = pickle.dumps((False, function(*arguments)))
        except OSError as error:
            answer = pickle.dumps((True, OSError(error.errno, error.strerror)))
        except BaseException:  # noqa: BLE001 - the parent raises it
            answer = pickle.dumps((True, AssertionError(traceback.format_exc())))
        view = memoryview(answer)
        while view:
            view = view[os.write(pipe, view) :]
    finally:
        os._exit(0)


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


# the machine


def mountpoints() -> list[str]:
    """Where something is mounted."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    return [line.split(" ")[4] for line in lines]


def marked_processes(mark: str) -> list[int]:
    """The processes in whose environment a mark stands; a zombie has none any more."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                if f"{_MARK}={mark}".encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def end_processes(which: Callable[[], list[int]], grace: float = 0.0) -> None:
    """Wait that long for processes to end, then kill them, and wait until they are gone."""
    end = time.monotonic() + grace
    while time.monotonic() < end and which():
        time.sleep(0.02)
    for pid in which():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not which(), "killed processes to be gone")


def fusermount(option: str, mountpoint: Path) -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which("fusermount") or shutil.which("fusermount3")
    assert program, "install fuse: these tests are never skipped"
    return subprocess.run(
        [program, option, "--", mountpoint], check=False, capture_output=True, timeout=SECONDS
    )


def wait_until(true: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Poll for something that tells no one when it happens."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)
