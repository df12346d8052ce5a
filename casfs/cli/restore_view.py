"""What a restore says about itself, for people: `casfs status DEST` and `casfs top`."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from casfs.cli import exit_status
from casfs.cli.mount_view import MountFacts, ago_text, expiry_text
from casfs.cli.show import size_text, span_text
from casfs.cli.tables import Column
from casfs.homes import expanded, state_directory
from casfs.settings import variable

_SHOWN = timedelta(days=1)
"""How long a restore is shown after it has ended."""
_ENDED = {
    exit_status.FAILED: "ended, but not everything was restored",
    exit_status.USAGE: "not finished; its directory must be on another disk",
    exit_status.MISMATCH: "ended, and bytes did not match their tree hash",
    exit_status.NOT_STARTED: "not started",
    exit_status.UNFINISHED: "not finished; run the same command again",
}


class RestoreFacts:
    """The progress of a restore, as `casfs.restore.progress_file` has it.

    Args:
        found: its facts by name.

    Attributes:
        destination: where it writes.
        vault: name of its vault.
        is_running: its process runs.
    """

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.found = found
        self._facts = MountFacts(str(found.get("destination", "")), found)
        self.destination = self._facts.mountpoint
        self.vault = self._facts.text("vault")
        self.is_running = found.get("exit_status") is None and bool(found.get("alive"))

    @property
    def updated(self) -> datetime:
        """Return when it was last heard of, UTC."""
        return self._facts.moment("updated") or datetime.min.replace(tzinfo=UTC)

    @property
    def state(self) -> str:
        """Return in a few words where it stands."""
        if self.is_running:
            return self._facts.text("phase") or "running"
        status = self._facts.number("exit_status")
        if status is None:
            return "interrupted; run the same command again"
        if status == exit_status.DONE:
            return self._done()
        return _ENDED.get(status, f"ended with status {status}; run the same command again")

    @property
    def files(self) -> str:
        """Return how many files of how many are restored."""
        done, total = self._number("files_restored"), self._number("total_files")
        return f"{done + self._number('files_skipped'):,} of {total:,}"

    @property
    def bytes(self) -> str:
        """Return how many bytes of how many are there."""
        done, total = self._number("bytes_restored"), self._number("total_bytes")
        done += self._number("bytes_skipped")
        part = f" ({100 * done // total} %)" if total else ""
        return f"{size_text(done)} of {size_text(total)}{part}"

    @property
    def rate(self) -> str:
        """Return how fast it is now, "" if it has ended."""
        rate = self._facts.number("rate_bytes")
        return "" if rate is None or not self.is_running else f"{size_text(rate)}/s"

    @property
    def rate_bytes(self) -> int:
        """Return the same as a number, 0 if it has ended."""
        return self._number("rate_bytes") if self.is_running else 0

    @property
    def cost(self) -> str:
        """Return what was spent by its requests, as estimated."""
        amount = self._facts.found.get("cost")
        return f"{amount} {self._facts.text('currency')}".strip() if amount is not None else ""

    @property
    def soonest_expiry(self) -> datetime | None:
        """Return when the first output expires that it has not fetched, UTC."""
        return self._facts.moment("soonest_expiry") if self.is_running else None

    @property
    def bytes_at_risk(self) -> int:
        """Return the bytes that cannot be fetched before they expire."""
        return self._number("bytes_at_risk") if self.is_running else 0

    @property
    def failed(self) -> int:
        """Return how many files have failed."""
        return self._number("files_failed")

    @property
    def last_error(self) -> str:
        """Return the last error, "" if there was none."""
        return self._facts.text("last_error")

    def detail_rows(self, now: datetime) -> list[list[str]]:
        """Return all of it in words: title and text of each row."""
        skipped, failed = self._number("files_skipped"), self.failed
        eta = self._facts.moment("eta")
        rows = {
            "vault": self.vault,
            "state": self.state,
            "files": f"{self.files}; {skipped:,} were there already, {failed:,} failed",
            "bytes": self.bytes + self._there_already(),
            "rate now": self.rate,
            "done": expiry_text(eta, now) if self.is_running else "",
            "jobs": self._jobs() if self.is_running else "",
            "first expiry": expiry_text(self.soonest_expiry, now),
            "at risk": size_text(self.bytes_at_risk) if self.bytes_at_risk else "",
            "cost": self.cost,
            "last error": self.last_error,
            "as of": ago_text(self.updated, now),
        }
        return [[title, text] for title, text in rows.items() if text]

    def row(self, now: datetime) -> list[str]:
        """Return it as a row of `restore_table`."""
        eta, expires = self._facts.moment("eta"), self.soonest_expiry
        return [
            self.destination,
            self.vault,
            self.state,
            self.files,
            self.bytes,
            self.rate,
            span_text(eta - now) if eta and self.is_running else "",
            span_text(expires - now) if expires else "",
            size_text(self.bytes_at_risk) if self.bytes_at_risk else "",
            self.cost,
            f"{self.failed:,}" if self.failed else "",
        ]

    def _done(self) -> str:
        if unverified := self._number("files_unverified"):
            return f"done, but {unverified:,} {'is' if unverified == 1 else 'are'} unverified"
        # Of those that were there already, only size and time may be known.
        if self._number("files_skipped"):
            return "done, all files are there"
        return "done, all files verified"

    def _there_already(self) -> str:
        size = self._number("bytes_skipped")
        return f"; {size_text(size)} were there already" if size else ""

    def _jobs(self) -> str:
        running, readable = self._number("jobs_running"), self._number("jobs_readable")
        return f"{running:,} running, {readable:,} readable"

    def _number(self, name: str) -> int:
        return self._facts.number(name) or 0


def state_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--state-dir`, for commands that read no profile."""
    text = "Directory of the record of requests.  [env var: CASFS_STATE_DIR; default: "
    return click.option("--state-dir", metavar="TEXT", help=f"{text}~/.local/state/casfs]")(command)


def known_restores(state_dir: str | None) -> list[RestoreFacts]:
    """Return the restores of this machine, those of the last day; the latest first.

    Args:
        state_dir: the state directory, if it is not that of the environment or the usual one.

    Raises:
        ConfigError: there is no such directory.
    """
    since = datetime.now(UTC) - _SHOWN
    return [one for one in _every(state_dir) if one.is_running or one.updated >= since]


def _every(state_dir: str | None) -> list[RestoreFacts]:
    from casfs.restore.progress_file import restores

    given = state_dir or os.environ.get(variable("state_dir"))
    directory = expanded(given, "--state-dir") if given else state_directory()
    return [RestoreFacts(found) for found in restores(directory)]


def restore_to(destination: str, state_dir: str | None) -> RestoreFacts | None:
    """Return the latest restore into a directory, None if none is known; as `known_restores`."""
    # Those of the restores are real paths; a look at one could hang with its disk.
    path = os.path.realpath(destination)
    return next((one for one in _every(state_dir) if one.destination == path), None)


def restore_table(
    every: Sequence[RestoreFacts], now: datetime
) -> tuple[list[Column], list[list[str]]]:
    """Return a table of restores: its columns and its rows."""
    columns = [
        Column("restore to", folds=True),
        Column("vault", rank=6, folds=True),
        Column("phase", folds=True),
        Column("files", rank=4),
        Column("bytes", rank=1),
        Column("rate", rank=2),
        Column("done in", rank=3),
        Column("first expiry", rank=5),
        Column("at risk", rank=9),
        Column("cost", rank=8),
        Column("failed", rank=7),
    ]
    return columns, [one.row(now) for one in every]
