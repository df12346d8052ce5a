"""Options that several commands take."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casfs import config
from casfs.cli.completion import complete_profile
from casfs.config import Config
from casfs.endpoints import warn_if_readable
from casfs.settings import variable

if TYPE_CHECKING:
    from casfs.client import Client

_SERVICE: list[tuple[str, str]] = [
    ("dialect", f"Wire form of the service: {', '.join(config.DIALECT_NAMES)}."),
    ("endpoint", "URL or host of the service; https when no scheme is given."),
    ("region", "Region; decides the endpoint where none is given."),
    ("account", "Account number, or - for the one that the key belongs to."),
    ("cache-dir", "Directory of the cache."),
    ("state-dir", "Directory of the record of requests."),
    ("cache-size", "Disk space that the cache may take, such as 20GiB."),
    ("connections", "Parallel downloads."),
    ("deadline", "Seconds after which a read or a listing fails."),
]

_DEFAULTS = {
    "dialect": config.DEFAULT_DIALECT,
    "account": "-",
    "cache-dir": "~/.cache/casfs",
    "state-dir": "~/.local/state/casfs",
    "cache-size": "20GiB",
    "connections": "8",
    "deadline": "120",
}


class IdentifierCommand(click.Command):
    """A command whose arguments are identifiers of the service: they may begin with a dash.

    Only an exact option of the command counts as one; `-hXq3...` is a job.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Sort options from identifiers, and parse them."""
        flags = {name: p for p in self.get_params(ctx) for name in p.opts if name[0] == "-"}
        options: list[str] = []
        identifiers: list[str] = []
        rest = iter(args)
        for arg in rest:
            option = flags.get(arg.partition("=")[0])
            if arg == "--":
                identifiers += rest
            elif isinstance(option, click.Option):
                options.append(arg)
                if not option.is_flag and "=" not in arg:
                    options += itertools.islice(rest, 1)
            else:
                identifiers.append(arg)
        return super().parse_args(ctx, [*options, "--", *identifiers])


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which service to talk to, and how."""
    for name, text in reversed(_SERVICE):
        extra = f"env var: {variable(name.replace('-', '_'))}"
        if name in _DEFAULTS:
            extra += f"; default: {_DEFAULTS[name]}"
        command = click.option(f"--{name}", metavar="TEXT", help=f"{text}  [{extra}]")(command)
    return command


def profile_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--profile`."""
    text = "Named set of settings in the configuration file.  [env var: CASFS_PROFILE]"
    return click.option("--profile", metavar="NAME", shell_complete=complete_profile, help=text)(
        command
    )


def bwlimit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--bwlimit`, a setting for commands that read outputs."""
    text = (
        "Limit of bandwidth as rclone writes it: 10M, off, or a timetable such as '08:00,512K "
        "18:00,30M 23:00,off'.  [env var: CASFS_BWLIMIT; default: off]"
    )
    return click.option("--bwlimit", metavar="RATE", help=text)(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def skip_bad_records_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option `--skip-bad-records`, which `load_config` knows."""
    return click.option("--skip-bad-records", is_flag=True, help=text)


def load_config(profile: str | None, flags: dict[str, Any]) -> Config:
    """Return the configuration that flags, environment and file give together.

    The command is about to use this service: warns if others can read the traffic.

    Raises:
        ConfigError: something is missing or malformed.
    """
    settings = {name: value for name, value in flags.items() if name != "skip_bad_records"}
    loaded = config.load(profile, settings)
    warn_if_readable(loaded.endpoint)
    return replace(loaded, skip_bad_records=bool(flags.get("skip_bad_records")))


@contextlib.contextmanager
def open_client(profile: str | None, flags: dict[str, Any]) -> Iterator["Client"]:
    """Open a client by the configuration, until the context ends.

    Raises:
        ConfigError: as `load_config`.
    """
    # Imported here: `--help` must neither wait for what a client needs nor need it.
    from casfs.client import Client

    client = Client(load_config(profile, flags))
    try:
        client.repair()
        yield client
    finally:
        client.close()


def path_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option whose value is a path."""
    return click.option(name, type=click.Path(path_type=Path), help=text)
