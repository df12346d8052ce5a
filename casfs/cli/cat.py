"""`casfs cat`: the bytes of a job's output or of an archive, on standard output."""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from casfs.cli import exit_status
from casfs.cli.completion import complete_job_or_path, complete_vault
from casfs.cli.gaps import unread_text
from casfs.cli.json_lines import JsonLines
from casfs.cli.options import (
    IdentifierCommand,
    open_client,
    profile_option,
    service_options,
    skip_bad_records_option,
    transfer_options,
)
from casfs.cli.progress import ProgressView, open_progress
from casfs.cli.show import local_text, say
from casfs.cli.standing import Standing
from casfs.errors import CasfsError, ConfigError, ExpiredError, NotFoundError, NotReadyError
from casfs.model import Job, JobKind, JobState
from casfs.throughput import RateWindow

if TYPE_CHECKING:
    from casfs.client import Client, Listed, Node

_PIECE = 1 << 20
"""Bytes that are read at a time."""


@click.command(
    "cat",
    cls=IdentifierCommand,
)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("name", metavar="JOB|ARCHIVE|PATH", shell_complete=complete_job_or_path)
@click.option(
    "--range", "byte_range", metavar="A-B", help="Only bytes A to B, including B: 0-1023."
)
@click.option(
    "--inventory",
    type=click.Choice(["csv", "json"]),
    help="Write the job's inventory in this format, whichever format the job has.",
)
@skip_bad_records_option("Omit unreadable records, and report how many.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print progress and result as JSON, for programs, on standard error.",
)
@transfer_options
@profile_option
@service_options
def cat_command(  # noqa: PLR0913 (its options)
    vault: str,
    name: str,
    byte_range: str | None,
    inventory: str | None,
    as_json: bool,
    stats: float | None,
    profile: str | None,
    **flags: Any,
) -> None:
    """Write an output or an archive to standard output, every byte checked.

    The name is a job's id, else an archive's id, else a path of the catalog; ./PATH is always a
    path. Starts no job: what cannot be read yet must be requested first.

    Bytes for which the service gave no hash are written as well, and a line on standard error says
    that they are unverified; the exit status is 0 all the same.
    """
    # Imported here: no command needs it for its `--help`.
    from casfs.restore.items import parse_bytes

    if flags["skip_bad_records"] and not inventory:
        raise click.UsageError("--skip-bad-records is for --inventory csv|json")
    wanted = None if byte_range is None else parse_bytes(byte_range)
    # Standard output has the bytes.
    lines = JsonLines(as_json, vault, err=True)
    with open_client(profile, flags) as client:
        node = _node(client, vault, name, inventory)
        client.rate_sampler.start()
        with _progress(lines, stats) as view:
            size, is_verified = _write(client, node, wanted, name, view)
        if not is_verified:
            _warn(lines, f"{name} is unverified: {_UNVERIFIED}")
        if (count := client.left_out(node)) != 0:
            _warn(lines, f"{unread_text(count, name)}, and left out")
    verified = "yes" if is_verified else "no"
    lines.show("summary", bytes_written=size, verified=verified, exit_status=exit_status.DONE)


_UNVERIFIED = "the service gave no hash that vouches for all of its bytes"


def _warn(lines: JsonLines, text: str) -> None:
    if lines.wanted:
        lines.show("warning", message=text)
    else:
        say(f"casfs: {text}", err=True)


@contextlib.contextmanager
def _progress(lines: JsonLines, stats: float | None) -> Iterator[ProgressView]:
    """Show progress, unless the bytes themselves go to the terminal."""
    with open_progress(lines, 0.0 if sys.stdout.isatty() else stats) as view:
        yield view


def _write(
    client: "Client",
    node: "Node",
    wanted: tuple[int, int] | None,
    name: str,
    view: ProgressView,
) -> tuple[int, bool]:
    """Write a file, or a range of its bytes.

    Returns:
        how many bytes were written, and whether hashes of the service vouch for them.

    Raises:
        ConfigError: the range begins after its end.
        CasfsError: it cannot be read.
    """
    file = client.open(node)
    try:
        first, last = wanted or (0, file.size - 1)
        if wanted is not None and first >= file.size:
            raise ConfigError(f"--range begins at byte {first}, but {name} has {file.size} bytes")
        end = min(last + 1, file.size)
        total, rates = max(0, end - first), RateWindow()
        while first < end:
            # Up to the end of a block, so that no block is read twice.
            size = min(end - first, _PIECE - first % _PIECE)
            sys.stdout.buffer.write(file.pread(size, first))
            first += size
            done = total - (end - first)
            rates.note(done)
            view.show(
                Standing(
                    phase="writing",
                    files=int(done == total),
                    total_files=1,
                    size=done,
                    total=total,
                    rate=rates.rate(),
                )
            )
        sys.stdout.buffer.flush()
        return total, file.cacheable
    finally:
        file.close()


def _node(client: "Client", vault: str, name: str, inventory: str | None) -> "Node":
    """Return the file that a name means.

    Raises:
        NotFoundError: nothing has that name.
        CasfsError: it cannot be read; says what to do.
    """
    by_path = name.startswith("./")
    is_gone = False
    if not by_path and client.job_list.is_known(vault, name):
        try:
            return _of_job(client, vault, name, inventory)
        except NotFoundError:
            is_gone = True
    listed = client.archives.one(vault, name, by_path)
    if listed is not None:
        if inventory:
            raise ConfigError(f"{name} is not a job; --inventory is for inventory jobs")
        _refuse_unreadable(vault, name, listed)
        return client.stat(listed.path_in_mount(vault))
    if is_gone:
        raise ExpiredError(
            f"job {name} of vault {vault} is gone: a service drops an output about 24 hours after "
            f"its job completed; find its archive with: casfs ls {shlex.quote(vault)}, and request "
            "that again"
        )
    where = f"casfs ls {shlex.quote(vault)}"
    if by_path:
        raise NotFoundError(f"{name} is not a cataloged archive of vault {vault}; see: {where}")
    try:
        return _of_job(client, vault, name, inventory)
    except NotFoundError as error:
        raise NotFoundError(
            f"{name} is neither a job nor a cataloged archive of vault {vault}; see: casfs jobs "
            f"{shlex.quote(vault)}, and {where}"
        ) from error


def _of_job(client: "Client", vault: str, job_id: str, inventory: str | None) -> "Node":
    """Return the output of a job, or its inventory in another format."""
    job = client.job_list.job(vault, job_id)
    command = shlex.join(["casfs", "wait", vault, job_id])
    what = f"job {job_id} of vault {vault}"
    if job.state is JobState.RUNNING:
        raise NotReadyError(f"{what} is still running{_by(job)}; run: {command}")
    if job.state is JobState.FAILED:
        reason = json.loads(job.raw).get("StatusMessage") or "the service does not say why"
        again = shlex.join(["casfs", "request", vault, job.archive_id or "--inventory"])
        raise CasfsError(f"{what} failed: {reason}; to request it again, run: {again}")
    if inventory and job.kind is not JobKind.INVENTORY:
        raise CasfsError(f"{what} retrieves an archive, not an inventory; omit --inventory")
    return client.job_file(vault, job_id, f"inventory.{inventory}" if inventory else "output")


def _by(job: Job) -> str:
    return f", usually done by {local_text(job.ready)}" if job.ready else ""


def _refuse_unreadable(vault: str, name: str, listed: "Listed") -> None:
    """Say why an archive cannot be read, if it cannot.

    Raises:
        CasfsError: it cannot.
    """
    from casfs.cli.archive_rows import state_text

    if listed.archive is None:
        below = shlex.join(["casfs", "ls", vault, listed.path])
        raise CasfsError(f"{name} is a directory of vault {vault}; see what is in it: {below}")
    if listed.archive.readable:
        return
    which = listed.path or listed.archive.id
    state = state_text(listed)
    if state in ("running", "requested"):
        ready = listed.ready
        usually = f", usually ready by {local_text(ready)}" if ready else ""
        wait = shlex.join(["casfs", "wait", vault, which])
        raise NotReadyError(f"{name} is being retrieved{usually}; run: {wait}")
    request = shlex.join(["casfs", "request", vault, which])
    raise NotReadyError(
        f"{name} is {state}: its bytes must be retrieved before they can be read; run: {request}"
    )
