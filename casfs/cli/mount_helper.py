"""`mount.casfs`: what mount(8) runs for `mount -t casfs PROFILE DIR`, and for lines of fstab."""

import sys
from dataclasses import dataclass, field

from casfs.cli.main import main as casfs
from casfs.cli.show import say
from casfs.errors import ConfigError
from casfs.mount.option_list import split_options

_USAGE = 2
_FAILED = 1
_MOUNT_FAILED = 32
"""Exit status of mount(8) for a mount that failed."""
_SOURCE = "casfs:"


@dataclass
class _Call:
    """How mount(8) calls a helper: `mount.casfs SOURCE DIR [-sfnv] [-o OPTIONS] [-t TYPE]`.

    Attributes:
        names: source and directory.
        options: what comes with -o.
        fake: do everything but mount.
    """

    names: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    fake: bool = False


def main() -> None:
    """Mount as mount(8) asks; exit with 0, 2 for wrong usage, or 32 if the mount failed."""
    try:
        call = _parsed(sys.argv[1:])
        arguments = _arguments(call)
    except ConfigError as error:
        say(f"mount.casfs: {error}", err=True)
        sys.exit(_USAGE)
    if call.fake:
        return
    sys.argv = ["casfs", *arguments]
    try:
        casfs()
    except SystemExit as end:
        sys.exit(_MOUNT_FAILED if end.code == _FAILED else end.code)


def _parsed(arguments: list[str]) -> _Call:
    call = _Call()
    rest = iter(arguments)
    for one in rest:
        if one in ("-o", "-t", "-N"):
            value = next(rest, None)
            if value is None:
                raise ConfigError(f"{one} needs a value")
            if one == "-N":
                raise ConfigError(
                    "-N: casfs cannot mount in another namespace; use: nsenter --mount="
                )
            if one == "-o":
                call.options.append(value)
        elif one.startswith("-o"):
            call.options.append(one.removeprefix("-o"))
        elif one.startswith("-") and len(one) > 1 and not one.strip("-sfnvw"):
            call.fake |= "f" in one
        else:
            call.names.append(one)
    if len(call.names) != len(("source", "directory")):
        raise ConfigError("usage: mount.casfs PROFILE DIRECTORY [-o OPTIONS]")
    return call


def _arguments(call: _Call) -> list[str]:
    """Return the arguments of `casfs` for a call.

    Raises:
        ConfigError: the options cannot be split.
    """
    source, directory = call.names
    text = ",".join(call.options)
    options = []
    # mount(8) adds rw wherever a line of fstab does not say ro; casfs mounts read-only anyway.
    for name, value in split_options(text).items():
        if name != "rw":
            options.append(name if value is True else f'{name}="{_quoted(str(value))}"')
    profile = source.removeprefix(_SOURCE)
    names = [directory] if profile in ("", "none", "casfs") else [profile, directory]
    return ["mount", *(["-o", ",".join(options)] if options else []), "--", *names]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
