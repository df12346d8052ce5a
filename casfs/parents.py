"""The way to a directory that is to be private: nobody else may put another one in its place."""

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
"""How a parent is opened: it need not be readable."""
_MOST_LINKS = 40


@dataclass(frozen=True)
class Wanted:
    """A directory that is to be private.

    Attributes:
        path: of the directory, as the user gave it; absolute.
        what: names it in messages.
        instead: the option that names another one.
        uid: whose it is to be.
    """

    path: Path
    what: str
    instead: str
    uid: int

    def __str__(self) -> str:
        return f"{self.what} {self.path}"

    @property
    def another(self) -> str:
        """Return what to do where it cannot be used."""
        return f"use another directory, with {self.instead}"


def open_parent(wanted: Wanted) -> tuple[int, str, Path]:
    """Go to the directory's parent, and make what is missing on the way, the directory too.

    Each parent belongs to the user, to root, or to whom "/" belongs (in a user namespace root is
    somebody else). Only they can write to it, or it is sticky. Links among them are theirs, too.

    Returns:
        the parent, open; the directory's name in it; the directory's path without links.

    Raises:
        ConfigError: somebody else could put another directory in its place; or it is a link.
        OSError: it cannot be made or reached.
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


def _check(wanted: Wanted, parent: int, path: Path, trusted: set[int]) -> None:
    status = os.fstat(parent)
    if status.st_uid not in trusted:
        raise ConfigError(
            f"{path}, which holds {wanted}, belongs to {user_name(status.st_uid)}, who could put "
            f"another one in its place; {wanted.another}"
        )
    if not status.st_mode & stat.S_ISVTX and _others_write(status, trusted):
        raise ConfigError(
            f"others can write to {path}, which holds {wanted}, and could put another one in its "
            f"place; run: chmod go-w {path}, or {wanted.another}"
        )


def _check_link(
    wanted: Wanted, path: Path, target: Path, status: os.stat_result, trusted: set[int], last: bool
) -> None:
    if status.st_uid not in trusted:
        raise ConfigError(
            f"{path}, on the way to {wanted}, is a symbolic link of {user_name(status.st_uid)}, "
            f"who could change it; {wanted.another}"
        )
    if last:
        raise ConfigError(
            f"{wanted} is a symbolic link; name the directory itself: "
            f"{wanted.instead} {path.parent / target}"
        )


def _stat_or_make(parent: int, name: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        # Another process may make it at the same moment.
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
    return os.stat(name, dir_fd=parent, follow_symlinks=False)


def _move(at: int, name: str) -> int:
    """Return a directory, open, and close the one that it was reached from."""
    there = os.open(name, _PASS, dir_fd=at)
    os.close(at)
    return there


def _others_write(status: os.stat_result, trusted: set[int]) -> bool:
    """Return whether anybody can write to a directory who is not trusted."""
    if status.st_mode & stat.S_IWOTH:
        return True
    if not status.st_mode & stat.S_IWGRP or status.st_gid == 0:
        return False
    # Where each user has a group of his own, directories may well be open to it.
    members = {user.pw_uid for user in pwd.getpwall() if user.pw_gid == status.st_gid}
    try:
        names = set(grp.getgrgid(status.st_gid).gr_mem)
    except KeyError:
        return True
    members |= {user.pw_uid for user in pwd.getpwall() if user.pw_name in names}
    return not members <= trusted


def user_name(uid: int) -> str:
    """Return what to call a user in a message."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
