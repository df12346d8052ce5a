r"""Paths as tools write them, cut into names: POSIX, and Windows with a drive or a server.

The directory of a path that begins with a drive is named by its letter: `c:\a\b` is `c`, `a`, `b`.
"""

import re

_DRIVE = re.compile(r"(?:\\\\[?.]\\)?([A-Za-z]):[\\/]")
_SERVER = re.compile(r"\\\\(?:[?.]\\(?:UNC\\)?)?")


def split(path: str) -> tuple[str, ...]:
    r"""Return the names in a path from the top, without empty ones and `.`.

    A backslash separates only after a leading drive or server (`\\server\share`); elsewhere it is
    a character like any other.
    """
    if path[1:2] == ":" or path[:1] == "\\":
        if drive := _DRIVE.match(path):
            return split_windows(f"{drive[1]}/{path[drive.end() :]}")
        if server := _SERVER.match(path):
            return split_windows(path[server.end() :])
    return tuple([name for name in path.split("/") if name not in ("", ".")])


def split_windows(path: str) -> tuple[str, ...]:
    """Return the names in a path that both `/` and a backslash separate."""
    return tuple([name for name in re.split(r"[/\\]", path) if name not in ("", ".")])
