"""A FUSE session: the kernel on one side, operations on the other, one of two bindings between.

libfuse 3 is asked for whole mebibytes, and shows a folder with all its attributes at once. Where it
is missing, libfuse 2 does: through fusepy, every byte checked as well, only slower.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from casfs.doors.mount.operations import Operations
from casfs.errors import MountError


@dataclass(frozen=True)
class Settings:
    """How to mount.

    Attributes:
        mountpoint: the folder.
        owner: user and group that own everything.
        fresh_seconds: how long the kernel may answer with attributes that it knows.
        options: what `-o` says beside; True is an option without a value.
    """

    mountpoint: str
    owner: tuple[int, int]
    fresh_seconds: float
    options: Mapping[str, str | bool]


class Session(Protocol):
    """A session of one mount."""

    def run(self, operations: Operations, settings: Settings, started: Callable[[], None]) -> None:
        """Serve a mount until it is unmounted or `stop` is called.

        Args:
            operations: answer the kernel.
            settings: how to mount.
            started: is called when the kernel begins to ask.

        Raises:
            MountError: the library could not mount; it said why on standard error.
        """
        ...

    def stop(self) -> None:
        """Tell the session to end; the thread that runs it must then be woken by a signal."""
        ...


def new_session() -> Session:
    """Return a session of the best binding that this machine has.

    Raises:
        MountError: it has none.
    """
    # A binding loads its library when it is imported, and fails there.
    try:
        from casfs.doors.mount.libfuse3 import Libfuse3Session

        return Libfuse3Session()
    except OSError:
        pass
    try:
        from casfs.doors.mount.libfuse2 import Libfuse2Session

        return Libfuse2Session()
    except OSError as error:
        raise MountError(
            f"the FUSE library is missing ({error}); install it: apt-get install fuse3"
        ) from error
