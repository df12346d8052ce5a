"""The `casfs` command."""

import io
import logging
import os
import platform
import sys
import threading

import click

from casfs import __version__
from casfs.cli.examples import epilog
from casfs.cli.lazy import LazyCommand
from casfs.cli.show import say
from casfs.cli.standard import open_standard_files
from casfs.errors import CasfsError, ConfigError
from casfs.logs import LogFormatter, log_thread_crash

log = logging.getLogger(__name__)

_FAILED = 1
_USAGE = 2


_COMMANDS = {
    "mount": (
        "casfs.cli.mounting:mount_command",
        "Mount an account's vaults, jobs and outputs as read-only files.",
    ),
    "umount": (
        "casfs.cli.mounting:umount_command",
        "Unmount, and wait until the cache is written.",
    ),
    "status": (
        "casfs.cli.mounting:status_command",
        "Show the state of a mount or a restore, or of all of them.",
    ),
    "top": (
        "casfs.cli.top:top_command",
        "Watch mounts and restores: phases, transfers, what expires first, money, errors.",
    ),
    "vaults": (
        "casfs.cli.listing:vaults_command",
        "List the vaults of the account.",
    ),
    "jobs": (
        "casfs.cli.jobs:jobs_command",
        "List the jobs of a vault, sorted by the time that is left for their outputs.",
    ),
    "cat": (
        "casfs.cli.cat:cat_command",
        "Write an output or an archive to standard output, every byte checked.",
    ),
    "wait": (
        "casfs.cli.waiting:wait_command",
        "Wait until jobs of a vault have ended: those named, or all that are running.",
    ),
    "ls": (
        "casfs.cli.archives:ls_command",
        "List the cataloged archives of a vault, and their states.",
    ),
    "find": (
        "casfs.cli.archives:find_command",
        "Find cataloged archives by a pattern such as '*.tif'.",
    ),
    "catalog": (
        "casfs.cli.archives:catalog_command",
        "Manage what casfs knows about the archives in vaults.",
    ),
    "request": (
        "casfs.cli.requesting:request_command",
        "Start the jobs that retrieve archives, after showing what they cost.",
    ),
    "fetch": (
        "casfs.cli.fetching:fetch_command",
        "Fetch whole outputs into the cache, the soonest expiry first.",
    ),
    "verify": (
        "casfs.cli.verifying:verify_command",
        "Check the cache against the catalog, or restored files against their manifest.",
    ),
    "restore": (
        "casfs.cli.restore_command:restore_command",
        "Restore a vault, or a part of it, to a directory: request, wait, fetch, write, verify.",
    ),
    "report": (
        "casfs.cli.report_command:report_command",
        "Sum up a restore from its manifest: counts, times, failures.",
    ),
    "cache": (
        "casfs.cli.cache:cache_command",
        "Show the contents of the cache, and shrink it.",
    ),
    "profiles": (
        "casfs.cli.profile_list:profiles_command",
        "List the settings and keys that were found, without secrets.",
    ),
    "emulator": (
        "casfs.emulator.command:emulator",
        "Run an archive service on this machine, for trials and tests.",
    ),
}
"""Where each command is, and the first sentence of its help."""


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    del parameter
    if not wanted or context.resilient_parsing:
        return
    # Imported here, since it loads libfuse.
    from casfs.mount.binding import versions

    say(f"casfs {__version__} (Python {platform.python_version()}, {versions()})")
    context.exit()


@click.group(epilog=epilog(""), context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the versions of casfs, Python, libfuse and its binding, and exit.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log what is done to standard error.")
def casfs(verbose: bool) -> None:
    """Mount the job outputs of archive services as read-only files, every byte checked."""
    if verbose:
        logging.getLogger().setLevel(logging.INFO)


for name, (path, summary) in _COMMANDS.items():
    casfs.add_command(LazyCommand(name, path, summary))


def main() -> None:
    """Run the command line; exit with 0, 1 for a failure, or 2 for wrong usage."""
    _prepare()
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
        # The reader of the output has closed it, or has no room for it.
        if not isinstance(error, BrokenPipeError):
            # Imported here: it takes a while, and no `--help` needs it.
            from casfs.reasons import reason

            what = "the output cannot be written: " if error.filename is None else ""
            say(f"casfs: {what}{reason(error)}", err=True)
        # Python must not try to write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILED)
    except Exception as error:
        if type(error).__module__ == "sqlite3":
            from casfs.reasons import reason

            # Catalog and record of requests explain their own failures.
            text = f"a temporary file cannot be used: {reason(error)}"
            say(f"casfs: {text}; free space, or set SQLITE_TMPDIR", err=True)
            sys.exit(_FAILED)
        # Logged, since Python would print the text of the error as it is, secrets included.
        log.critical("casfs hit a bug; please report it", exc_info=True)
        sys.exit(_FAILED)


def _prepare() -> None:
    """Set up standard files, completion and the log."""
    open_standard_files()
    if "_CASFS_COMPLETE" in os.environ:
        # Imported here: nothing else needs it.
        from casfs.cli.completion import prepare_completion

        prepare_completion()
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("casfs: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    threading.excepthook = log_thread_crash
    # A name that the terminal cannot encode must not end a listing.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
