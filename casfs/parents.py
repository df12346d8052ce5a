"""Checks the parents of a private directory: no other user may be able to replace it."""

import contextlib
import grp
import os
import pwd
import stat
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from casfs.errors import ConfigError

_PASS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags to open a parent, which need not be readable."""
_MOST_LINKS = 40


@dataclass(frozen=True)
class PrivatePath:
    """A directory that must be private.

    Attributes:
        path: absolute path of the directory, as the user gave it.
        what: describes it in messages.
        instead: the option that selects another directory.
        uid: the user who must own it.
    """

    path: Path
    what: str
    instead: str
    uid: int

    def __str__(self) -> str:
        return f"{self.what} {self.path}"

    @property
    def another(self) -> str:
        """Return the advice to use another directory."""
        return f"use another directory, with {self.instead}"


def open_parent(wanted: PrivatePath) -> tuple[int, str, Path]:
    """Open the directory's parent; create the directory and its parents where they are missing.

    Each parent, and each link among them, must belong to the user, to root, or to the owner of "/"
    (in a user namespace root is another user). Only they may be able to write to a parent, unless
    it is sticky.

    Returns:
        The open parent, the directory's name in it, and the directory's path without links.

    Raises:
        ConfigError: another user could replace the directory, or it is a link.
        OSError: it cannot be created or reached.
    """
    at, path, links = os.open("/", _PASS), Path("/"), 0
    trusted = {0, wanted.uid, os.fstat(at).st_uid}
    left = deque(wanted.path.parts[1:] or ["."])
    try:
        while True:
            _check(wanted, at, path, trusted)
            name = left.popleft()
            status = _stat_or_make(at, name)
            beyond = path.parent if name == ".." else path / name
            if stat.S_ISLNK(status.st_mode):
                target = Path(os.readlink(name, dir_fd=at))
                links += 1
                _check_link(wanted, beyond, target, status, trusted, last=not left)
                if links > _MOST_LINKS:
                    raise ConfigError(f"{wanted}: too many symbolic links; {wanted.another}")
                left.extendleft(reversed(target.parts[target.is_absolute() :]))
                if target.is_absolute():
                    at, path = _move(at, "/"), Path("/")
            elif left:
                at, path = _move(at, name), beyond
            else:
                return at, name, beyond
    except BaseException:
        os.close(at)
        raise


def _check(wanted: PrivatePath, parent: int, path: Path, trusted: set[int]) -> None:
    status = os.fstat(parent)
    if status.st_uid not in trusted:
        raise ConfigError(
            f"{path}, a parent of {wanted}, belongs to {user_name(status.st_uid)}, who could "
            f"replace it; {wanted.another}"
        )
    if not status.st_mode & stat.S_ISVTX and _others_write(status, trusted):
        raise ConfigError(
            f"other users can write to {path}, a parent of {wanted}, and could replace it; "
            f"run: chmod go-w {path}, or {wanted.another}"
        )


def _check_link(
    wanted: PrivatePath,
    path: Path,
    target: Path,
    status: os.stat_result,
    trusted: set[int],
    last: bool,
) -> None:
    if status.st_uid not in trusted:
        raise ConfigError(
            f"{path}, in the path of {wanted}, is a symbolic link that belongs to "
            f"{user_name(status.st_uid)}, who could change it; {wanted.another}"
        )
    if last:
        raise ConfigError(
            f"{wanted} is a symbolic link; use the directory itself: "
            f"{wanted.instead} {path.parent / target}"
        )


def _stat_or_make(parent: int, name: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        # Another process may create it at the same moment.
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
    return os.stat(name, dir_fd=parent, follow_symlinks=False)


def _move(at: int, name: str) -> int:
    """Open a directory in an open one, which is closed."""
    there = os.open(name, _PASS, dir_fd=at)
    os.close(at)
    return there


def _others_write(status: os.stat_result, trusted: set[int]) -> bool:
    """Return whether a user who is not trusted can write to a directory."""
    if status.st_mode & stat.S_IWOTH:
        return True
    if not status.st_mode & stat.S_IWGRP or status.st_gid == 0:
        return False
    # If each user has a group of their own, directories are often writable by that group.
    members = {user.pw_uid for user in pwd.getpwall() if user.pw_gid == status.st_gid}
    try:
        names = set(grp.getgrgid(status.st_gid).gr_mem)
    except KeyError:
        return True
    members |= {user.pw_uid for user in pwd.getpwall() if user.pw_name in names}
    return not members <= trusted


def user_name(uid: int) -> str:
    """Return how to refer to a user in a message."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
