"""The best binding to the FUSE library that this machine has."""

from casfs.errors import MountError
from casfs.mount.session import Session
from casfs.reasons import reason


def new_session() -> Session:
    """Return a session of the best binding that this machine has.

    Raises:
        MountError: it has none.
    """
    # A binding loads its library when it is imported, and fails there.
    try:
        from casfs.mount.libfuse3 import Libfuse3Session

        return Libfuse3Session()
    except OSError:
        pass
    try:
        from casfs.mount.libfuse2 import Libfuse2Session

        return Libfuse2Session()
    except OSError as error:
        raise MountError(
            f"the FUSE library is missing ({reason(error)}); install it: apt-get install fuse3"
        ) from error


def versions() -> str:
    """Return the FUSE library and the binding that would be used: "libfuse 3.14.0, mfusepy 3"."""
    try:
        from casfs.mount import libfuse3

        return libfuse3.versions()
    except OSError:
        pass
    try:
        from casfs.mount import libfuse2

        return libfuse2.versions()
    except OSError:
        return "no libfuse"
