"""The `casfs` command."""

import io
import logging
import os
import sys
import threading
from typing import Any

import click

from casfs import __version__
from casfs.doors.cli.archives import catalog_command, find_command, ls_command
from casfs.doors.cli.cache import cache_command
from casfs.doors.cli.listing import cat_command, jobs_command, vaults_command
from casfs.doors.cli.mounting import mount_command, status_command, umount_command
from casfs.doors.cli.profiles import profiles_command
from casfs.doors.cli.show import say
from casfs.doors.cli.standard import open_standard_files
from casfs.errors import CasfsError, ConfigError
from casfs.logs import LogFormatter, log_death

log = logging.getLogger(__name__)

_FAILED = 1
_USAGE = 2


class _EmulatorCommand(click.Command):
    """`casfs emulator`, whose code is imported only when it is called: most never need it."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return the context of the real command, which has the options."""
        from casfs.emulator.command import emulator

        return emulator.make_context(info_name, args, parent, **extra)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("-v", "--verbose", is_flag=True, help="Log what is done to standard error.")
def casfs(verbose: bool) -> None:
    """Mount the job outputs of archive services as read-only files, every byte checked."""
    if verbose:
        logging.getLogger().setLevel(logging.INFO)


for command in (
    mount_command,
    umount_command,
    status_command,
    vaults_command,
    jobs_command,
    cat_command,
    ls_command,
    find_command,
    catalog_command,
    cache_command,
    profiles_command,
    _EmulatorCommand("emulator", help="Serve an archive service on this machine."),
):
    casfs.add_command(command)


def main() -> None:
    """Run the command line; exit with 0, 1 for a failure, or 2 for wrong usage."""
    open_standard_files()
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("casfs: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    threading.excepthook = log_death
    # A name that the terminal's encoding does not have must not end a listing.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        casfs.main(standalone_mode=False)
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        for line in told.getvalue().splitlines():
            say(line, err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(_FAILED)
    except ConfigError as error:
        say(f"casfs: {error}", err=True)
        sys.exit(_USAGE)
    except CasfsError as error:
        say(f"casfs: {error}", err=True)
        sys.exit(_FAILED)
    except OSError as error:
        # Whoever read the output wants no more, or has no room for it.
        if not isinstance(error, BrokenPipeError):
            say(f"casfs: {error}", err=True)
        # Python must not try to write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILED)
    except Exception:
        # Logged, since Python would print the text of the error as it is, secrets included.
        log.critical("casfs met a bug; please report it", exc_info=True)
        sys.exit(_FAILED)
