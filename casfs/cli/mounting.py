"""`casfs mount`, `casfs umount`, `casfs status`."""

import logging
import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from casfs.cli.completion import complete_mount_argument, complete_mountpoint
from casfs.cli.mount_view import MountFacts, detail_rows, mount_table
from casfs.cli.options import (
    bwlimit_option,
    event_options,
    json_option,
    load_config,
    path_option,
    service_options,
    skip_bad_records_option,
)
from casfs.cli.restore_view import (
    RestoreFacts,
    known_restores,
    restore_table,
    restore_to,
    state_dir_option,
)
from casfs.cli.show import say, show_json
from casfs.cli.tables import Column, show_table
from casfs.errors import MountError, PrivateMountError
from casfs.homes import log_directory
from casfs.mount.mount_status import status, statuses
from casfs.mount.mount_table import FILE_SYSTEM, find, mounts
from casfs.mount.mountpoints import unmount

log = logging.getLogger(__name__)


@click.command("mount")
@click.argument(
    "arguments",
    nargs=-1,
    required=True,
    metavar="[PROFILE] MOUNTPOINT",
    shell_complete=complete_mount_argument,
)
@click.option("-f", "--foreground", is_flag=True, help="Do not detach; log to standard error.")
@click.option(
    "-o",
    "options",
    multiple=True,
    metavar="OPT,...",
    help="Mount options: allow_other, uid=N, gid=N, umask=M, fmode=M and dmode=M (permissions of "
    "files and directories), every setting, and those of libfuse: man 8 mount.casfs.",
)
@path_option(
    "--log-file",
    "File to log to.  [default: a file in ~/.local/state/casfs/log; with -f, standard error]",
)
@event_options("when outputs turn out to be at risk of expiring before they are fetched")
@bwlimit_option
@skip_bad_records_option("Omit unreadable records from inventory.csv and inventory.json.")
@service_options
def mount_command(
    arguments: tuple[str, ...],
    foreground: bool,
    options: tuple[str, ...],
    log_file: Path | None,
    on_event: str | None,
    event_timeout: float | None,
    **flags: Any,
) -> None:
    """Mount an account's vaults, jobs and outputs as read-only files.

    Returns when the mount answers. A mount starts no job and costs no retrieval.
    """
    # Imported here, since it needs libfuse, which no other command does.
    from casfs.mount.daemon import mount
    from casfs.mount.mount_options import parse_options

    if len(arguments) > 2:
        raise click.UsageError("give a mount point, after a profile if you want one")
    profile = arguments[0] if len(arguments) == 2 else None
    mountpoint = os.path.abspath(arguments[-1])
    if log_file is None and not foreground:
        log_file = log_directory() / f"{quote(os.fsencode(mountpoint), safe='')[-200:]}.log"
    given = parse_options(options)
    if on_event is not None:
        from casfs.cli.risk_event import risk_command

        given = replace(given, on_risk=risk_command(on_event, event_timeout))
    settings = given.settings | {name: value for name, value in flags.items() if value is not None}
    settings["skip_bad_records"] = flags["skip_bad_records"] or given.skip_bad_records
    mount(
        load_config(profile, settings),
        mountpoint,
        given,
        foreground,
        log_file.absolute() if log_file else None,
    )


@click.command("umount")
@click.argument("mountpoint", shell_complete=complete_mountpoint)
@click.option("-z", "--lazy", is_flag=True, help="Unmount even if programs still use it.")
def umount_command(mountpoint: str, lazy: bool) -> None:
    """Unmount, and wait until the cache is written."""
    unmount(mountpoint, lazy)


@click.command(
    "status",
)
@click.argument(
    "mountpoint",
    metavar="[MOUNTPOINT|DESTINATION]",
    required=False,
    shell_complete=complete_mountpoint,
)
@state_dir_option
@json_option
def status_command(mountpoint: str | None, state_dir: str | None, as_json: bool) -> None:
    """Show the state of a mount or a restore, or of all of them.

    Fails if a mount does not answer. Mounts of other users are listed without their state, unless
    you name one.
    """
    if mountpoint is not None and find(mountpoint) is None:
        restore = restore_to(mountpoint, state_dir)
        if restore is not None:
            _show_restore(restore, as_json)
            return
    if mountpoint is not None:
        found = status(mountpoint)
        mounted = find(mountpoint)
        if mounted is not None and not mounted.is_trusted:
            log.warning("%s: what follows is what user %d says", mountpoint, mounted.user)
        if as_json:
            show_json(found)
            return
        (one,) = with_rates([MountFacts(mountpoint, found)])
        show_table(_detail(mountpoint), detail_rows(one, datetime.now(UTC)))
        return
    every, silent = all_mounts()
    if as_json:
        show_json([{"mountpoint": one.mountpoint, **_answer(one)} for one in every])
    else:
        _show_all(with_rates(every))
        _show_restores(known_restores(state_dir))
    if silent:
        command = shlex.join(["casfs", "umount", silent[0]])
        raise MountError(f"{', '.join(silent)}: no answer; run: {command}")


_RATE_SECONDS = 0.5
"""Seconds between two looks at a mount, from which its rate follows."""


def all_mounts() -> tuple[list[MountFacts], list[str]]:
    """Return the facts of every mount, and those that do not answer; asks all at once."""
    here = [mount for mount in mounts() if mount.file_system == FILE_SYSTEM]
    trusted = [mount for mount in here if mount.is_trusted]
    answers = iter(statuses([mount.mountpoint for mount in trusted]))
    found, silent = [], []
    for mount in here:
        if not mount.is_trusted:
            error = f"user {mount.user} mounted it; name it to see its state"
            found.append(MountFacts(mount.mountpoint, {}, error))
            continue
        answer = next(answers)
        if isinstance(answer, MountError):
            found.append(MountFacts(mount.mountpoint, {}, str(answer)))
            # A part of a mount is bound there, and its whole is in the list as well.
            if not (mount.is_part or isinstance(answer, PrivateMountError)):
                silent.append(mount.mountpoint)
        else:
            found.append(MountFacts(mount.mountpoint, answer))
    return found, silent


def with_rates(before: list[MountFacts]) -> list[MountFacts]:
    """Look at mounts a second time; return them with their rates."""
    names = [one.mountpoint for one in before if one.error is None]
    if not names:
        return before
    then = time.monotonic()
    time.sleep(_RATE_SECONDS)
    answers = dict(zip(names, statuses(names), strict=True))
    now = time.monotonic()
    found = []
    for one in before:
        answer = answers.get(one.mountpoint)
        if isinstance(answer, dict):
            found.append(MountFacts(one.mountpoint, answer).with_rates(then, one, now))
        else:
            found.append(one)
    return found


def _show_restore(restore: RestoreFacts, as_json: bool) -> None:
    if as_json:
        show_json(restore.found)
        return
    columns = [Column("restore to"), Column(restore.destination, folds=True)]
    show_table(columns, restore.detail_rows(datetime.now(UTC)))


def _answer(one: MountFacts) -> Mapping[str, Any]:
    return one.found if one.error is None else {"error": one.error}


def _detail(mountpoint: str) -> list[Column]:
    return [Column("mounted on"), Column(mountpoint, folds=True)]


def _show_all(every: list[MountFacts]) -> None:
    now = datetime.now(UTC)
    if len(every) == 1:
        (one,) = every
        show_table(_detail(one.mountpoint), detail_rows(one, now))
        return
    columns, rows = mount_table(every, now)
    good = sum(one.health(now).is_good for one in every)
    total = f"{len(every)} mounts, {good} good" if every else "nothing is mounted"
    show_table(columns, rows, total)


def _show_restores(every: list[RestoreFacts]) -> None:
    if every:
        say("")
        show_table(*restore_table(every, datetime.now(UTC)))
