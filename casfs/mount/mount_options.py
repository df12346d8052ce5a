"""The options of `casfs mount -o`."""

import difflib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casfs.errors import ConfigError
from casfs.mount.option_list import GENERIC, LIBFUSE, is_for_mount, split_options
from casfs.settings import KEY, NAMES, VAULTS

FILE_MODE = 0o644
"""Permissions of files. The mount is read-only whatever they say: they are what a copy gets, which
its owner wants to complete, change and remove."""
DIRECTORY_MODE = 0o755
"""Permissions of directories, for the same reason."""

if TYPE_CHECKING:
    from casfs.tree.expiry_watch import VaultExpiry

_UNSAFE = {"kernel_cache", "auto_cache"}
_SETTINGS = (NAMES | {VAULTS}) - KEY
_OURS = {"uid", "gid", "umask", "fmode", "dmode", "nonempty", "skip_bad_records"}
_LARGEST_ID = 2**32 - 2
"""Of a user or group in Linux; the next number means none."""


@dataclass(frozen=True)
class Modes:
    """The permissions of everything in a mount.

    Attributes:
        file: of a file.
        directory: of a directory.
    """

    file: int = FILE_MODE
    directory: int = DIRECTORY_MODE


@dataclass(frozen=True)
class MountOptions:
    """The `-o` options that casfs itself takes, and those that it passes to libfuse.

    Attributes:
        owner: user and group that own everything.
        modes: permissions of files and directories.
        nonempty: whether there may be something in the directory, which is then hidden.
        settings: settings of the configuration, by name.
        skip_bad_records: leave out records of inventories that cannot be read.
        others: name -> value, True for an option without one.
        on_risk: is told of outputs that cannot be fetched before they expire, and of the rate;
            `--on-event` sets it.
    """

    owner: tuple[int, int]
    modes: Modes
    nonempty: bool
    settings: dict[str, str]
    skip_bad_records: bool
    others: dict[str, str | bool]
    on_risk: "Callable[[VaultExpiry, float], None] | None" = None


def parse_options(texts: tuple[str, ...]) -> MountOptions:
    """Return what `-o a,b=c -o d` means; of an option that is given twice, the last counts.

    Raises:
        ConfigError: an option has a value that it cannot have, or casfs does not allow it.
    """
    given = split_options(",".join(texts))
    if "rw" in given:
        raise ConfigError("-o rw: a mount of casfs is read-only; leave it out")
    for name in _UNSAFE & given.keys():
        raise ConfigError(
            f"-o {name}: the kernel would keep bytes that were found to be wrong; leave it out"
        )
    # libfuse would give files the permissions of programs, and say nothing about a wrong number.
    owner = _id(given, "uid", os.getuid()), _id(given, "gid", os.getgid())
    umask = _mode(given, "umask", 0, "022")
    modes = Modes(
        file=_mode(given, "fmode", FILE_MODE, "0644") & ~umask,
        directory=_mode(given, "dmode", DIRECTORY_MODE, "0755") & ~umask,
    )
    # Of the two libraries, one always asks for this option, and one does not know it.
    nonempty = bool(given.pop("nonempty", False))
    settings = {name: _setting(name, given.pop(name)) for name in _SETTINGS & given.keys()}
    skip_bad_records = bool(given.pop("skip_bad_records", False))
    _check_known(given)
    others = {name: value for name, value in given.items() if not is_for_mount(name)}
    return MountOptions(owner, modes, nonempty, settings, skip_bad_records, others)


def _setting(name: str, value: str | bool) -> str:
    if value is True or not value:
        raise ConfigError(f"-o {name}: must have a value, such as {name}=...")
    return str(value)


def _check_known(given: dict[str, str | bool]) -> None:
    """Refuse options that do not exist; a typing error must not be silent.

    Raises:
        ConfigError: there is one.
    """
    for name in KEY & given.keys():
        raise ConfigError(
            f"-o {name}: other users can see options; put keys into the configuration file"
        )
    known = GENERIC | LIBFUSE
    for name in given.keys() - known:
        if not is_for_mount(name):
            everything = known | _SETTINGS | _OURS
            near = difflib.get_close_matches(name, everything, 1)
            advice = f"did you mean {near[0]}?" if near else "see: casfs mount -h"
            value = "" if given[name] is True else f"={given[name]}"
            raise ConfigError(f"-o {name}{value}: there is no such option; {advice}")


def _id(given: dict[str, str | bool], name: str, default: int) -> int:
    wanted = f"a number from 0 to {_LARGEST_ID}, such as {name}=1000"
    text = _value(given, name, "[0-9]{1,10}", wanted)
    if text is not None and int(text) > _LARGEST_ID:
        raise ConfigError(f"-o {name}={text}: must be {wanted}")
    return default if text is None else int(text)


def _mode(given: dict[str, str | bool], name: str, default: int, example: str) -> int:
    wanted = f"up to three octal digits (0 to 7), such as {name}={example}"
    text = _value(given, name, "0?[0-7]{1,3}", wanted)
    return default if text is None else int(text, 8)


def _value(given: dict[str, str | bool], name: str, pattern: str, wanted: str) -> str | None:
    """Take an option out of those that are given; None if it is not among them."""
    value = given.pop(name, None)
    if value is None:
        return None
    if value is True:
        raise ConfigError(f"-o {name}: must have a value, {wanted}")
    if not re.fullmatch(pattern, str(value)):
        raise ConfigError(f"-o {name}={value}: must be {wanted}")
    return str(value)
