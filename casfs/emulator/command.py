"""The command `emulator`: switches in, a server out."""

import asyncio
import logging
import os
import secrets
import time
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from casfs.emulator import faults
from casfs.emulator.access_log import AccessLog
from casfs.emulator.cas import VAULT_NAME, Cas
from casfs.emulator.seed import seed
from casfs.emulator.server import Server
from casfs.emulator.settings import Fault, Keys, OpenQuestions, Settings
from casfs.emulator.store import Store

_QUESTION_HELP = {
    "range_alignment": "Where a range of an output may begin and end.",
    "full_range": "Status for a range that covers the whole output.",
    "range_past_end": "Status for a range that begins behind the end.",
    "unfinished_output": "Status for the output of a job that has not succeeded.",
    "expired_job": "Whether an expired job is gone or still described, without output.",
    "hash_on_unaligned_job": "Tree hash on subtree ranges of a job that is no subtree itself.",
    "hash_on_inventory": "Tree hash on inventories.",
    "callback_key": "Name of the call-back field in a job.",
    "archive_job_parameters": "InventoryRetrievalParameters in jobs without inventory.",
    "limit_form": "Form of Limit in an inventory job.",
    "marker": "Whether a marker names the next item or the last one seen.",
    "throttling": "How the fault `throttle` refuses a request.",
    "expired_signature": "Status for a signature outside of its time.",
}


class _FaultType(click.ParamType[Fault]):
    name = "NAME[@output]=PROBABILITY"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fault:
        if isinstance(value, Fault):
            return value
        what, _, probability = str(value).partition("=")
        name, at, scope = what.partition("@")
        if name not in faults.NAMES or (at and scope != "output"):
            self.fail(f"{what} is none of {', '.join(faults.NAMES)}", param, ctx)
        try:
            share = float(probability)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{probability!r} is no probability from 0 to 1", param, ctx)
        return Fault(name, share, bool(at))


class _SeedType(click.ParamType[tuple[str, Path]]):
    name = "VAULT=DIR"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        vault, _, folder = str(value).partition("=")
        if not (VAULT_NAME.fullmatch(vault) and folder and Path(folder).is_dir()):
            self.fail(f"{value} is not VAULT=DIR with a folder DIR", param, ctx)
        return vault, Path(folder)


def _open_questions() -> list[click.Option]:
    """Return an option for each open question, from the one list of them."""
    hints = get_type_hints(OpenQuestions)
    return [
        click.Option(
            ["--" + question.name.replace("_", "-")],
            type=click.Choice(get_args(hints[question.name])),
            default=question.default,
            show_default=True,
            help=_QUESTION_HELP[question.name],
        )
        for question in fields(OpenQuestions)
        if question.name in _QUESTION_HELP
    ]


def _keys() -> Keys:
    names = ("CASFS_ACCESS_KEY_ID", "CASFS_SECRET_ACCESS_KEY")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise click.UsageError(
            f"{' and '.join(missing)} not set: the emulator takes the key pair that requests must"
            " be signed with from the environment; any text will do."
        )
    return Keys(*(os.environ[name] for name in names))


@click.command("emulator", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--dialect", type=click.Choice(["cas"]), default="cas", show_default=True)
@click.option(
    "--root", type=click.Path(file_okay=False, path_type=Path), required=True, help="All state."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 = a free one.")
@click.option("--account", default="1250000000", show_default=True, help="Owner of the key.")
@click.option("--region", default="ap-chengdu", show_default=True, help="In resource names.")
@click.option(
    "--seed",
    "seeds",
    type=_SeedType(),
    multiple=True,
    help="An archive and a finished job for each file.",
)
@click.option("--job-seconds", type=click.FloatRange(0), default=0.0, help="0 = at once.")
@click.option("--output-hours", type=click.FloatRange(0), default=24.0, show_default=True)
@click.option("--latency-ms", type=click.FloatRange(0), default=0.0, help="Before each answer.")
@click.option("--rate", type=click.IntRange(1), help="Bytes of output a second and connection.")
@click.option("--stall-seconds", type=click.FloatRange(0), default=600.0, show_default=True)
@click.option(
    "--fault",
    "fault_list",
    type=_FaultType(),
    multiple=True,
    metavar="NAME[@output]=PROBABILITY",
    help=f"What goes wrong, everywhere or only in outputs: {', '.join(faults.NAMES)}.",
)
@click.option("--fault-seed", type=int, help="Repeats the faults of an earlier run.")
@click.option("--access-log", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--clock-leeway",
    type=click.FloatRange(0),
    default=900.0,
    show_default=True,
    help="Seconds that a signature may be used before its start.",
)
def emulator(
    dialect: str,  # noqa: ARG001 - one dialect so far, and the choice is checked already
    seeds: tuple[tuple[str, Path], ...],
    fault_list: tuple[Fault, ...],
    fault_seed: int | None,
    clock_leeway: float,
    **switches: Any,
) -> None:
    """Serve an archive service on this machine, its state in one folder.

    Prints its URL when it is ready and ends at SIGTERM or SIGINT. The key pair comes from
    CASFS_ACCESS_KEY_ID and CASFS_SECRET_ACCESS_KEY.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    answers = {name: switches.pop(name) for name in _QUESTION_HELP}
    if fault_seed is None:
        fault_seed = secrets.randbelow(1 << 32)
        if fault_list:
            click.echo(f"--fault-seed {fault_seed}", err=True)
    settings = Settings(
        keys=_keys(),
        faults=fault_list,
        fault_seed=fault_seed,
        questions=OpenQuestions(clock_leeway=clock_leeway, **answers),
        **switches,
    )
    store = Store(settings.root)
    try:
        _prepare(store, settings, seeds)
        with AccessLog(settings.access_log) as log:
            server = Server(Cas(store, settings), store, settings, log)
            asyncio.run(server.serve(click.echo))
    except OSError as error:
        raise click.ClickException(str(error)) from error
    finally:
        store.close()


emulator.params.extend(_open_questions())


def _prepare(store: Store, settings: Settings, seeds: tuple[tuple[str, Path], ...]) -> None:
    horizon = time.time() - settings.output_hours * 3600
    store.drop_unserved(horizon)
    for vault, folder in seeds:
        done = seed(store, vault, folder, horizon)
        click.echo(f"{vault}: {done.archives} archives and {done.jobs} jobs added", err=True)
        for name in done.empty:
            click.echo(f"{vault}: left out, it is empty: {name}", err=True)
