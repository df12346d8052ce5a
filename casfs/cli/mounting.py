"""`casfs mount`, `casfs umount`, `casfs status`."""

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from casfs.cli.completion import complete_mount_argument, complete_mountpoint
from casfs.cli.options import (
    bwlimit_option,
    json_option,
    load_config,
    path_option,
    service_options,
    skip_bad_records_option,
)
from casfs.cli.show import show_json
from casfs.cli.tables import Column, show_table
from casfs.errors import MountError
from casfs.homes import log_directory
from casfs.mount.mount_status import status
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
@click.option("-f", "--foreground", is_flag=True, help="Stay in front; log to standard error.")
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
@bwlimit_option
@skip_bad_records_option("Leave records that cannot be read out of inventory.csv and .json.")
@service_options
def mount_command(
    arguments: tuple[str, ...],
    foreground: bool,
    options: tuple[str, ...],
    log_file: Path | None,
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
@click.option("-z", "--lazy", is_flag=True, help="Take it away though programs still use it.")
def umount_command(mountpoint: str, lazy: bool) -> None:
    """Take a mount away, and wait until its cache is written."""
    unmount(mountpoint, lazy)


@click.command("status")
@click.argument("mountpoint", required=False, shell_complete=complete_mountpoint)
@json_option
def status_command(mountpoint: str | None, as_json: bool) -> None:
    """Show what a mount is doing, or all mounts."""
    if mountpoint is not None:
        found = status(mountpoint)
        mounted = find(mountpoint)
        if mounted is not None and not mounted.is_trusted:
            log.warning("%s: what follows is what user %d says", mountpoint, mounted.user)
        if as_json:
            show_json(found)
            return
        counters = found.pop("counters", {})
        rows = [[name.replace("_", " "), str(value)] for name, value in found.items()]
        for name, value in counters.items():
            parts = value.items() if isinstance(value, dict) else [("", value)]
            text = ", ".join(f"{label} {number:.0f}".strip() for label, number in parts)
            rows.append([name.replace("_", " "), text])
        show_table([Column(""), Column(mountpoint, folds=True)], rows)
        return
    found_all, silent = _all_mounts()
    if as_json:
        show_json(found_all)
    else:
        columns = ["mountpoint", "endpoint", "account", "pid", "error"]
        rows = [[str(one.get(name, "")) for name in columns] for one in found_all]
        show_table([Column(name) for name in columns], rows)
    if silent:
        raise MountError(f"{', '.join(silent)}: no answer; run: casfs umount {silent[0]}")


def _all_mounts() -> tuple[list[dict[str, Any]], list[str]]:
    """Return the status of every mount, and those that do not answer."""
    found: list[dict[str, Any]] = []
    silent = []
    for mount in mounts():
        if mount.file_system != FILE_SYSTEM:
            continue
        facts: dict[str, Any] = {"mountpoint": mount.mountpoint}
        if not mount.is_trusted:
            error = f"user {mount.user} mounted it; ask for it by its name"
            found.append(facts | {"error": error})
            continue
        try:
            found.append(facts | status(mount.mountpoint))
        except MountError as error:
            found.append(facts | {"error": str(error)})
            # A part of a mount is bound there, and its whole is in the list as well.
            if not mount.is_part:
                silent.append(mount.mountpoint)
    return found, silent
