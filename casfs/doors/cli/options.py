"""Options that several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from casfs import config
from casfs.config import Config

_SERVICE: list[tuple[str, str]] = [
    ("dialect", "Wire form of the service: cas."),
    ("endpoint", "URL or host of the service; https when no scheme is given."),
    ("region", "Region, which makes the endpoint when none is given."),
    ("account", "Account in the path: a number, or - for the key's own."),
    ("cache-dir", "Folder of the block cache."),
    ("cache-size", "Bytes that the block cache may take, such as 20GiB."),
    ("connections", "Parallel GETs."),
    ("deadline", "Seconds after which a read or a listing fails."),
]


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which service to talk to, and how."""
    for name, text in reversed(_SERVICE):
        command = click.option(f"--{name}", metavar="TEXT", help=text)(command)
    return command


def profile_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--profile`."""
    text = "Named set of settings in the configuration file."
    return click.option("--profile", metavar="NAME", help=text)(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def load_config(profile: str | None, flags: dict[str, Any]) -> Config:
    """Return the configuration that flags, environment and file give together.

    Raises:
        ConfigError: something is missing or malformed.
    """
    return config.load(profile, flags)


def path_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option whose value is a path."""
    return click.option(name, type=click.Path(path_type=Path), help=text)
