"""`casfs restore`: from cold archives to a verified directory."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casfs.cli import exit_status
from casfs.cli.completion import complete_vault
from casfs.cli.options import (
    RETRIEVAL_OPTIONS,
    IdentifierCommand,
    account_options,
    dry_run_option,
    event_options,
    open_client,
    retrieval_options,
    retrieval_values,
    transfer_options,
    verbose_option,
    yes_option,
)
from casfs.errors import (
    CasfsError,
    ConfigError,
    DestinationBusyError,
    DestinationDiskError,
    DestinationSyncError,
    LedgerError,
)

if TYPE_CHECKING:
    from casfs.cli.restore_wish import RestoreWish
    from casfs.restore.request_options import Options


@click.command("restore", cls=IdentifierCommand)
@click.argument("source", metavar="VAULT[:PATH]", shell_complete=complete_vault)
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path))
@click.option("--include", metavar="PATTERN", multiple=True, help="Only what matches one of these.")
@click.option("--exclude", metavar="PATTERN", multiple=True, help="Skip what matches one of these.")
@click.option(
    "--files-from",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Only these paths, one per line; a directory stands for all in it.",
)
@click.option(
    "--except-manifest",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Skip what another restore has written, according to its manifest.",
)
@click.option(
    "--overwrite",
    type=click.Choice(["never", "if-changed", "always"]),
    default="if-changed",
    show_default=True,
    help="Which files in DEST to replace; if-changed: those that differ and are not newer.",
)
@click.option(
    "--checksum", is_flag=True, help="Compare the content of files of the right size, not the time."
)
@retrieval_options
@click.option("--no-wait", is_flag=True, help="Request, restore what can be read now, and end.")
@click.option("--keep-in-cache", is_flag=True, help="Keep what is fetched in the cache as well.")
@click.option(
    "--manifest",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The record of the restore, instead of DEST/.casfs-restore/manifest.jsonl.",
)
@event_options("when archives turn out to be at risk of expiring before they are fetched")
@dry_run_option("do nothing")
@yes_option
@verbose_option("Print a line for each archive.")
@transfer_options
@account_options
def restore_command(
    source: str, destination: Path, profile: str | None, as_json: bool, **given: Any
) -> None:
    """Restore a vault, or a part of it, to a directory: request, wait, fetch, write, verify.

    Each file gets its name once it is whole, verified and on disk. Interrupt it whenever you like,
    and run the same command again to continue: nothing is requested or fetched twice.
    """
    # Imported here: `--help` must not wait for it.
    from casfs.cli.event_command import BackgroundEvents
    from casfs.cli.interruption import interruptible
    from casfs.cli.messages import Messages

    vault, _, path = source.partition(":")
    own = {name: given.pop(name) for name in _OWN}
    messages = Messages(as_json, vault)
    status: int = exit_status.FAILED
    with interruptible() as caught:
        try:
            _refuse_mount(destination)
            wish = _wish(path, destination, own)
            options = _options(vault, wish, own)
            command, timeout = own["on_event"], own["event_timeout"]
            with (
                open_client(profile, given) as client,
                BackgroundEvents(command, messages.warn, timeout) as events,
            ):
                from casfs.cli.restore_session import RestoreSession

                status = RestoreSession(client, wish, options, messages, events).run()
        except (CasfsError, click.Abort, KeyboardInterrupt) as error:
            _tell(error, caught.status, messages)
    if status:
        raise SystemExit(status)


_OWN = (
    *RETRIEVAL_OPTIONS,
    *("include", "exclude", "files_from", "except_manifest", "overwrite", "checksum", "no_wait"),
    *("keep_in_cache", "manifest", "dry_run", "yes", "verbose", "stats", "on_event"),
    "event_timeout",
)


def _tell(error: BaseException, interrupted: int, messages: Any) -> None:
    """Tell what ended the restore, and end with its exit status."""
    code = interrupted
    message = "interrupted; run the same command again to continue"
    if isinstance(error, CasfsError):
        message, code = str(error), exit_status.FAILED
        if isinstance(error, ConfigError):
            code = exit_status.USAGE
        if isinstance(error, LedgerError):
            code = exit_status.NOT_STARTED
        if isinstance(error, DestinationDiskError | DestinationBusyError):
            code = exit_status.UNFINISHED
        if isinstance(error, DestinationSyncError):
            # No later run can do better there.
            code = exit_status.USAGE
    messages.facts("exit_error", code=code, message=message)
    messages.complain(message)
    raise SystemExit(code) from error


def _refuse_mount(destination: Path) -> None:
    """Refuse to restore into a mount of casfs, which is where archives are read from.

    Raises:
        ConfigError: it is one.
    """
    from casfs.mount.mount_table import FILE_SYSTEM, mounts, resolved

    path = Path(resolved(str(destination)))
    inside = [one for one in mounts() if path.is_relative_to(one.mountpoint)]
    if inside and max(inside, key=lambda one: len(one.mountpoint)).file_system == FILE_SYSTEM:
        raise ConfigError(f"{destination} is in a mount of casfs, which is read-only")


def _wish(path: str, destination: Path, own: dict[str, Any]) -> "RestoreWish":
    from casfs.cli.restore_wish import RestoreWish
    from casfs.restore.destination.existing_files import Overwrite
    from casfs.restore.wanted_paths import WantedPaths, read_elsewhere, read_paths

    listed = own["files_from"]
    elsewhere = own["except_manifest"]
    return RestoreWish(
        path=path.strip("/"),
        destination=destination.absolute(),
        wanted=WantedPaths(
            own["include"], own["exclude"], None if listed is None else read_paths(listed)
        ),
        elsewhere=None if elsewhere is None else read_elsewhere(elsewhere),
        overwrite=Overwrite(own["overwrite"]),
        checksum=own["checksum"],
        manifest=own["manifest"],
        keep_in_cache=own["keep_in_cache"],
        dry_run=own["dry_run"],
        yes=own["yes"],
        waits=not own["no_wait"],
        verbose=own["verbose"],
        stats=own["stats"],
    )


def _options(vault: str, wish: "RestoreWish", own: dict[str, Any]) -> "Options":
    from casfs.restore.request_options import Options
    from casfs.restore.wanted_paths import restore_identity

    shown = wish.elsewhere.shown if wish.elsewhere else None
    # However the directory is spelled, it is the same restore, under the same --max-cost.
    destination = wish.destination.resolve()
    return Options(
        vault=vault,
        identity=restore_identity(vault, wish.path, destination, wish.wanted, shown),
        **retrieval_values(own),
    )
