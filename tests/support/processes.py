"""Processes that touch a mount, and those that are one: found, bounded in time, and ended."""

import contextlib
import os
import pickle
import posix
import select
import signal
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")

SECONDS = 60.0
"""Whatever takes longer has hung."""

MARK = "CASFS_TEST_MOUNT"
"""Names in the environment of a mount's process which test's it is, since it leaves its parent."""

SESSION = uuid.uuid4().hex
"""Begins the mark of every mount of this run."""


class HungError(AssertionError):
    """Something that touches a mount did not end."""


class Begun(Generic[T]):
    """A function that runs in a process of its own.

    Args:
        function: what runs there.
        arguments: its arguments.
        free: ends a process that does not end by itself.
    """

    def __init__(
        self, function: Callable[..., T], arguments: Sequence[Any], free: Callable[[int], None]
    ) -> None:
        self._what = f"{function.__name__}{arguments}"
        self._free = free
        self._pipe, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _answer(function, arguments, writing)
        os.close(writing)

    def waits(self) -> bool:
        """Tell whether it sleeps: it does nothing that makes it sleep but touch the mount."""
        return _state(Path(f"/proc/{self.pid}/stat")) in "SD"

    def __call__(self, seconds: float = SECONDS) -> T:
        """Wait for the end; return or raise what the function did."""
        data, end = bytearray(), time.monotonic() + seconds
        with open(self._pipe, "rb", buffering=0) as pipe:
            while select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
                piece = pipe.read(1 << 20)
                if not piece:
                    break
                data += piece
            else:
                self._free(self.pid)
                os.waitpid(self.pid, 0)
                raise HungError(f"{self._what} did not end in {seconds:g} s")
        os.waitpid(self.pid, 0)
        failed, result = pickle.loads(data)
        if failed:
            raise result
        value: T = result
        return value


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
        # Where coverage is measured, `os._exit` would write the parent's counts once more.
        posix._exit(0)


def new_mark() -> str:
    """A mark of its own, which begins as `SESSION` does."""
    return f"{SESSION}-{uuid.uuid4().hex}"


def name_of(mark: str) -> str:
    """The name of a process that was forked, and has its parent's environment for the kernel."""
    session, _, own = mark.partition("-")
    return f"{session[:6]}-{own[:8]}"


def marked_processes(mark: str) -> list[int]:
    """The processes that a mark names, or in whose environment it stands; no zombies."""
    name, text = name_of(mark).encode(), f"{MARK}={mark}".encode()
    found = []
    for folder in os.listdir("/proc"):
        if folder.isdecimal():
            with contextlib.suppress(OSError):
                if _read(folder, "comm").startswith(name):
                    if _state(Path(f"/proc/{folder}/stat")) != "Z":
                        found.append(int(folder))
                elif text in _read(folder, "environ"):
                    found.append(int(folder))
    return found


def _read(pid: str, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
        return file.read()


def freeze(pid: int) -> None:
    """Stop a process where it stands, all its threads; `SIGCONT` lets it go on."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    wait_until(
        lambda: all(_state(task / "stat") == "T" for task in threads.iterdir()),
        "all threads to stop",
    )


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        # A thread that has ended meanwhile does nothing any more either.
        return "T"


def end_processes(which: Callable[[], list[int]], grace: float = 0.0) -> None:
    """Wait that long for processes to end, then kill them, and wait until they are gone."""
    end = time.monotonic() + grace
    while time.monotonic() < end and which():
        time.sleep(0.02)
    for pid in which():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not which(), "killed processes to be gone")


def wait_until(true: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Poll for something that tells no one when it happens."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)
