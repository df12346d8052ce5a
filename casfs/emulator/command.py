"""The command `casfs emulator`: parses its options and runs the server."""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from casfs.emulator.dialects.registry import DIALECTS
from casfs.emulator.engine.errors import words
from casfs.emulator.engine.seed import seed, seed_inventory_of
from casfs.emulator.engine.store import Store
from casfs.emulator.http import faults
from casfs.emulator.http.access_log import AccessLog
from casfs.emulator.options import (
    FaultType,
    PolicyType,
    SeedType,
    TierSecondsType,
    answered,
    described,
    open_questions,
)
from casfs.emulator.settings import Fault, Keys, Settings


def _refuse_given(dialect: str, switches: Mapping[str, object], *names: str) -> None:
    """Refuse switches that a dialect without tiers does not have.

    Raises:
        click.UsageError: one of them is given.
    """
    for name in names:
        if switches[name] is not None:
            switch = "--" + name.replace("_", "-")
            raise click.UsageError(f"{switch} does not apply to --dialect {dialect}")


def _keys() -> Keys:
    names = ("CASFS_ACCESS_KEY_ID", "CASFS_SECRET_ACCESS_KEY")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise click.UsageError(
            f"{' and '.join(missing)} not set; set the key pair that requests must be signed with"
            " (any text will do)"
        )
    key_id, secret = (os.environ[name] for name in names)
    return Keys(key_id, secret, os.environ.get("CASFS_SESSION_TOKEN") or None)


@click.command("emulator", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--dialect",
    type=click.Choice(list(DIALECTS)),
    default=next(iter(DIALECTS)),
    show_default=True,
    help="Service to emulate.",
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Directory for all state; created if missing.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address on which to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port on which to listen; 0 picks a free one.",
)
@click.option(
    "--account",
    show_default=described({name: one.account for name, one in DIALECTS.items()}),
    help="The account that owns the key.",
)
@click.option(
    "--region",
    show_default=described({name: one.region for name, one in DIALECTS.items()}),
    help="The region in resource names.",
)
@click.option(
    "--seed",
    "seeds",
    type=SeedType(),
    multiple=True,
    help="Add an archive and a finished job for each file in DIR.",
)
@click.option(
    "--seed-inventory", is_flag=True, help="Also add a finished inventory job for each --seed."
)
@click.option(
    "--job-seconds",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="How long a job runs; 0 finishes it at once.",
)
@click.option(
    "--tier-seconds",
    type=TierSecondsType(),
    default={},
    metavar="TIER=SECONDS,...",
    help="How long a job of a tier runs, instead of --job-seconds, such as "
    "expedited=1,standard=5,bulk=8; and an inventory job, with inventory=SECONDS.",
)
@click.option(
    "--policy",
    type=PolicyType(),
    metavar="none|free-tier=BYTES|bytes-per-hour=BYTES",
    help="Data retrieval policy: what Standard jobs may retrieve in a day, or at a time.",
)
@click.option(
    "--expedited-capacity",
    type=click.IntRange(0),
    help="How many Expedited jobs may run at a time.",
)
@click.option(
    "--fail-jobs",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Probability that a job fails when it completes.",
)
@click.option(
    "--listing-lag",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Seconds after which the list of jobs shows a new job.",
)
@click.option(
    "--job-rate",
    type=click.FloatRange(0, min_open=True),
    help="How many jobs may be requested in a second; more requests are throttled.",
)
@click.option(
    "--output-hours",
    type=click.FloatRange(0),
    default=24.0,
    show_default=True,
    help="How long the output of a job is available.",
)
@click.option(
    "--latency-ms",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Delay before each answer.",
)
@click.option("--rate", type=click.IntRange(1), help="Bytes per second of each connection.")
@click.option(
    "--stall-seconds",
    type=click.FloatRange(0),
    default=600.0,
    show_default=True,
    help="How long the fault `stall` keeps a connection open.",
)
@click.option(
    "--fault",
    "fault_list",
    type=FaultType(),
    multiple=True,
    metavar="NAME[@output|@post]=PROBABILITY[,TIMES]",
    help="Inject a fault, everywhere or only in outputs or in requests for jobs, at most TIMES per "
    f"identical request: {', '.join(faults.NAMES)}.",
)
@click.option("--fault-seed", type=int, help="Repeat the faults of an earlier run.")
@click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append a line of JSON for each answer.",
)
@click.option(
    "--clock-leeway",
    type=click.FloatRange(0),
    default=900.0,
    show_default=True,
    help="Seconds by which the time of a signature may be off.",
)
def emulator(
    dialect: str,
    account: str | None,
    region: str | None,
    seeds: tuple[tuple[str, Path], ...],
    seed_inventory: bool,
    fault_list: tuple[Fault, ...],
    fault_seed: int | None,
    clock_leeway: float,
    **switches: Any,
) -> None:
    """Run an archive service on this machine, for trials and tests.

    Prints its URL when it is ready, and stops on SIGTERM or SIGINT. Keeps all state in one
    directory. The key pair comes from CASFS_ACCESS_KEY_ID and CASFS_SECRET_ACCESS_KEY, with
    CASFS_SESSION_TOKEN if it is temporary.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        # Imported late, because `--help` must work without the optional dependencies.
        from casfs.emulator.http.server import Server
    except ModuleNotFoundError as error:
        raise click.UsageError(
            f"the emulator needs {error.name}; run: pip install 'casfs-mount[emulator]'"
        ) from error
    service = DIALECTS[dialect]
    if service.rules.expedited_limit is None:
        _refuse_given(dialect, switches, "policy", "expedited_capacity")
    answers = {str(option.name): switches.pop(str(option.name)) for option in _QUESTIONS}
    given = {name: answer for name, answer in answers.items() if answer is not None}
    if fault_seed is None:
        fault_seed = secrets.randbelow(1 << 32)
        if fault_list:
            click.echo(f"--fault-seed {fault_seed}", err=True)
    settings = Settings(
        keys=_keys(),
        rules=service.rules,
        account=account or service.account,
        region=region or service.region,
        faults=fault_list,
        fault_seed=fault_seed,
        questions=answered(dialect, given, clock_leeway),
        **switches,
    )
    try:
        with (
            closing(Store(settings.root, settings.rules)) as store,
            AccessLog(settings.access_log) as log,
        ):
            _prepare(store, settings, seeds, seed_inventory)
            server = Server(service.make(store, settings), store, settings, log)
            asyncio.run(server.serve(click.echo))
    except OSError as error:
        raise click.ClickException(words(error)) from error


_QUESTIONS = open_questions()
emulator.params.extend(_QUESTIONS)


def _prepare(
    store: Store, settings: Settings, seeds: tuple[tuple[str, Path], ...], inventories: bool
) -> None:
    horizon = time.time() - settings.output_hours * 3600
    store.drop_unserved(horizon)
    for vault, directory in seeds:
        if not settings.rules.vault_name.fullmatch(vault):
            raise click.UsageError(f"{vault!r} is not a valid vault name")
        done = seed(store, settings.rules, vault, directory, horizon)
        jobs = done.jobs
        if inventories:
            jobs += seed_inventory_of(store, settings.rules, vault, done.archives > 0, horizon)
        added = f"{_counted(done.archives, 'archive')} and {_counted(jobs, 'job')} added"
        click.echo(f"{vault}: {added}", err=True)
        for name in done.empty:
            click.echo(f"{vault}: skipped an empty file: {name}", err=True)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
