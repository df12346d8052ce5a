"""`casfs request`: starts the jobs that retrieve archives."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casfs.cli.completion import complete_path, complete_vault
from casfs.cli.interruption import interruptible
from casfs.cli.options import (
    RETRIEVAL_OPTIONS,
    IdentifierCommand,
    account_options,
    dry_run_option,
    event_options,
    open_client,
    retrieval_options,
    retrieval_values,
    yes_option,
)
from casfs.errors import CasfsError, ConfigError, LedgerError

if TYPE_CHECKING:
    from casfs.cli.messages import Messages
    from casfs.restore.request_options import Options

_FAILED, _USAGE, _NOT_STARTED = 1, 2, 4


@click.command("request", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("patterns", nargs=-1, shell_complete=complete_path)
@click.option("--ids", metavar="FILE", help="Archives by id, one per line; -: from standard input.")
@click.option("--all", "everything", is_flag=True, help="All archives of the vault.")
@click.option("--range", "byte_range", metavar="A-B", help="Only bytes A to B, in whole MiB.")
@click.option("--split", metavar="SIZE", help="Retrieve larger archives in parts, each verifiable.")
@retrieval_options
@click.option("--inventory", is_flag=True, help="Request the list of archives instead.")
@click.option("--since", metavar="DATE", help="With --inventory: only uploads since DATE.")
@click.option("--until", metavar="DATE", help="With --inventory: only uploads until DATE.")
@click.option("--sns-topic", metavar="ARN", help="Topic that the service notifies (Glacier).")
@click.option("--callback", metavar="URL", help="URL that the service calls (CAS).")
@dry_run_option("send nothing")
@yes_option
@click.option("--wait", is_flag=True, help="Wait until the jobs are done.")
@event_options("for each job that ends during --wait")
@account_options
def request_command(
    vault: str, profile: str | None, as_json: bool, inventory: bool, **given: Any
) -> None:
    """Start the jobs that retrieve archives, after showing what they cost.

    PATTERN is a path in the catalog, an archive's id, or a pattern such as '*.tif'. What is already
    readable, cached, running or requested is not requested again, no matter who started the job.
    """
    # Imported here: `--help` must not wait for it.
    from casfs.cli.messages import Messages

    own = {name: given.pop(name) for name in _OWN}
    messages = Messages(as_json, vault)
    with interruptible() as caught:
        try:
            status = _request(vault, profile, inventory, own, given, messages)
        except LedgerError as error:
            messages.facts("exit_error", code=_NOT_STARTED, message=str(error))
            raise _exit(_NOT_STARTED, f"casfs: {error}") from error
        except CasfsError as error:
            code = _USAGE if isinstance(error, ConfigError) else _FAILED
            messages.facts("exit_error", code=code, message=str(error))
            raise
        except (KeyboardInterrupt, click.Abort):
            message = "interrupted; what was requested is recorded: run the same command again"
            messages.facts("exit_error", code=caught.status, message=message)
            raise _exit(caught.status, f"casfs: {message}") from None
    if status:
        raise SystemExit(status)


def _request(
    vault: str,
    profile: str | None,
    inventory: bool,
    own: dict[str, Any],
    given: dict[str, Any],
    messages: "Messages",
) -> int:
    if own["on_event"] is not None and not own["wait"]:
        raise click.UsageError("--on-event is for --wait")
    with open_client(profile, given) as client:
        if inventory:
            from casfs.cli.inventory_request import request_inventory

            _refuse(own, _OF_ARCHIVES, "--inventory")
            return request_inventory(client, vault, own, messages)
        from casfs.cli.archive_request import request_archives

        _refuse(own, ("since", "until"), "archives")
        options = _options(vault, _ids(own["ids"]), own)
        return request_archives(client, options, own, messages)


_OWN = (
    *RETRIEVAL_OPTIONS,
    *("patterns", "ids", "everything", "byte_range", "split", "since", "until", "sns_topic"),
    *("callback", "dry_run", "yes", "wait", "on_event", "event_timeout"),
)
_OF_ARCHIVES = ("patterns", "ids", "everything", "byte_range", "split", "max_bytes", "pace")


def _exit(status: int, line: str) -> SystemExit:
    from casfs.cli.show import say

    say(line, err=True)
    return SystemExit(status)


def _refuse(own: dict[str, Any], names: tuple[str, ...], what: str) -> None:
    for name in names:
        if own[name]:
            raise click.UsageError(f"{name.replace('_', '-')} is not for {what}")


def _ids(path: str | None) -> tuple[str, ...] | None:
    """Read the ids of archives from a file, or from standard input.

    Raises:
        ConfigError: it cannot be read, or has none.
    """
    if path is None:
        return None
    try:
        read = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        text = read.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"--ids {path} cannot be read: {reason}") from error
    ids = tuple(filter(None, map(str.strip, text.splitlines())))
    if not ids:
        raise ConfigError(f"--ids {path} has no ids")
    return ids


def _options(vault: str, ids: tuple[str, ...] | None, own: dict[str, Any]) -> "Options":
    from casfs.restore.items import parse_range
    from casfs.restore.request_options import Options
    from casfs.settings import parse_size

    part, split = own["byte_range"], own["split"]
    return Options(
        vault=vault,
        patterns=own["patterns"],
        ids=ids,
        everything=own["everything"],
        byte_range=None if part is None else parse_range(part),
        split=None if split is None else parse_size(split, "--split"),
        sns_topic=own["sns_topic"],
        call_back=own["callback"],
        **retrieval_values(own),
    )
