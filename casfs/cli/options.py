"""Options that several commands share: each is spelled and explained here, and nowhere else."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casfs import config
from casfs.cli.completion import complete_profile
from casfs.cli.durations import DurationType
from casfs.config import Config
from casfs.endpoints import warn_if_readable
from casfs.settings import variable

if TYPE_CHECKING:
    from casfs.client import Client

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

_SERVICE: list[tuple[str, str]] = [
    ("dialect", f"Wire form of the service: {', '.join(config.DIALECT_NAMES)}."),
    ("endpoint", "URL or host of the service; https if no scheme is given."),
    ("region", "Region; determines the endpoint if none is given."),
    ("account", "Account number, or - for the one that the key belongs to."),
    ("cache-dir", "Directory of the cache."),
    ("state-dir", "Directory of the record of requests."),
    ("cache-size", "Disk space that the cache may take, such as 20GiB."),
    ("connections", "Parallel downloads."),
    ("deadline", "Seconds after which a read without progress, or a listing, fails."),
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


def service_options(command: Command) -> Command:
    """Add the options that say which service to talk to, and how."""
    for name, text in reversed(_SERVICE):
        extra = f"env var: {variable(name.replace('-', '_'))}"
        if name in _DEFAULTS:
            extra += f"; default: {_DEFAULTS[name]}"
        command = click.option(f"--{name}", metavar="TEXT", help=f"{text}  [{extra}]")(command)
    return command


def profile_option(command: Command) -> Command:
    """Add `--profile`."""
    text = "Named set of settings in the configuration file.  [env var: CASFS_PROFILE]"
    return click.option("--profile", metavar="NAME", shell_complete=complete_profile, help=text)(
        command
    )


def bwlimit_option(command: Command) -> Command:
    """Add `--bwlimit`, a setting for commands that read outputs."""
    text = (
        "Bandwidth limit in rclone's syntax: 10M, off, or a timetable such as '08:00,512K "
        "18:00,30M 23:00,off'.  [env var: CASFS_BWLIMIT; default: off]"
    )
    return click.option("--bwlimit", metavar="RATE", help=text)(command)


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def account_options(command: Command) -> Command:
    """Add what a command takes that asks an account: `--profile`, `--json`, and the service."""
    return profile_option(json_option(service_options(command)))


def transfer_options(command: Command) -> Command:
    """Add what a command takes that fetches outputs for long: `--bwlimit` and `--stats`."""
    return bwlimit_option(stats_option(command))


def stats_option(command: Command) -> Command:
    """Add `--stats`."""
    return click.option(
        "--stats",
        type=DurationType(),
        metavar="DURATION",
        help="Time between two lines of progress without a terminal, or with --json; "
        "0 for none.  [default: 1m]",
    )(command)


def event_options(when: str) -> Decorator:
    """Return the options of a command that is run for events.

    Args:
        when: it is run, such as "for each job that ends".
    """
    text = f"Run CMD with sh -c {when}, with the JSON line on its standard input."
    timeout = "How long CMD may take, 5 min by default; then it is killed."

    def add(command: Command) -> Command:
        command = click.option("--event-timeout", type=DurationType(), help=timeout)(command)
        return click.option("--on-event", metavar="CMD", help=text)(command)

    return add


def retrieval_options(command: Command) -> Command:
    """Add the options that say how archives are requested, and up to what cost."""
    rerequest = "Whether to request again what failed or expired; -y does not agree to that."
    for option in (
        click.option(
            "--rerequest",
            type=click.Choice(["ask", "never", "yes"]),
            default="ask",
            show_default=True,
            help=rerequest,
        ),
        click.option(
            "--pace", metavar="SIZE/h|auto", help="Request only what can be fetched in time."
        ),
        click.option(
            "--max-bytes", metavar="SIZE", help="Start nothing if more would be retrieved."
        ),
        click.option(
            "--max-cost", metavar="AMOUNT[CUR]", help="Start nothing if it would cost more."
        ),
        order_option(("created", "size", "name"), "What is requested first."),
        click.option(
            "--tier",
            type=click.Choice(["expedited", "standard", "bulk"]),
            default="standard",
            show_default=True,
            help="How fast archives are retrieved, and at what price.",
        ),
    ):
        command = option(command)
    return command


RETRIEVAL_OPTIONS = ("tier", "order", "max_cost", "max_bytes", "pace", "rerequest")
"""The names of what `retrieval_options` adds."""


def retrieval_values(given: dict[str, Any]) -> dict[str, Any]:
    """Return what `retrieval_options` were given as `casfs.restore.request_options.Options` has it.

    Raises:
        ConfigError: a value is malformed.
    """
    from casfs.job_requests import Tier
    from casfs.restore.amounts import Cap
    from casfs.restore.request_options import Pace
    from casfs.settings import parse_size

    cost, size, pace = given["max_cost"], given["max_bytes"], given["pace"]
    return {
        "tier": Tier(given["tier"]),
        "order": given["order"],
        "max_cost": None if cost is None else Cap.parse(cost),
        "max_bytes": None if size is None else parse_size(size, "--max-bytes"),
        "pace": None if pace is None else Pace.parse(pace),
        "rerequest": given["rerequest"],
    }


def order_option(orders: Sequence[str], text: str) -> Decorator:
    """Return `--order`; the first of the orders is the default."""
    return click.option(
        "--order", type=click.Choice(orders), default=orders[0], show_default=True, help=text
    )


def dry_run_option(text: str) -> Decorator:
    """Return `-n`; the text says what is not done."""
    return click.option("-n", "--dry-run", is_flag=True, help=f"Show the plan, and {text}.")


def yes_option(command: Command) -> Command:
    """Add `-y`."""
    return click.option("-y", "--yes", is_flag=True, help="Agree to the plan.")(command)


def verbose_option(text: str) -> Decorator:
    """Return `-v`."""
    return click.option("-v", "--verbose", is_flag=True, help=text)


def skip_bad_records_option(text: str) -> Decorator:
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


def path_option(name: str, text: str) -> Decorator:
    """Return an option whose value is a path."""
    return click.option(name, type=click.Path(path_type=Path), help=text)
