"""Tells how a restore goes: text for a person, lines of JSON for a program."""

import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import click

from casfs.cli.messages import Messages
from casfs.cli.show import local_text, size_text
from casfs.ledger.request import last_byte
from casfs.restore.destination.manifest import FAILED, ManifestLine
from casfs.restore.fetch_lanes import Fetcher
from casfs.restore.job_sending import Sent
from casfs.restore.plan import Group
from casfs.restore.preparing import Prepared
from casfs.restore.progress_file import ProgressFile
from casfs.restore.restore_planner import RestoreProgress
from casfs.restore.verdict import Status, Verdict
from casfs.restore.worklist import Stage, Totals, Worklist

_NAMED = 20
"""Failures that are named on the terminal; the manifest and JSON lines have all."""
_RATE_SECONDS = 60.0


@dataclass
class RestoreReport:
    """What a restore has done, and how far it is. Safe for threads.

    Lock order: its one lock is held while a line is printed, and under none of the restore's.

    Attributes:
        messages: gets text and JSON.
        worklist: has the archives.
        verbose: name each archive that was restored.
        stats: seconds between two lines of text.
        fetcher: fetches, once there is one.
        file: tells other processes how far it is, once it has begun.
    """

    messages: Messages
    worklist: Worklist
    verbose: bool = False
    stats: float = 60.0
    fetcher: Fetcher | None = None
    file: ProgressFile | None = None
    states: Counter[str] = field(default_factory=Counter)
    written: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _samples: list[tuple[float, int]] = field(default_factory=list)
    _told: float = field(default_factory=time.monotonic)

    def agrees_again(self, prepared: Prepared) -> bool:
        """Return whether the user agrees to request again what is lost."""
        if not sys.stdin.isatty():
            return False
        load = prepared.plan.load("", again=True)
        count = prepared.plan.groups[Group.AGAIN].archives
        size = size_text(load.bytes)
        question = f"{count:,} failed or expired before they were fetched ({size}); request again?"
        return click.confirm(question, err=True)

    def sent(self, sent: Sent) -> None:
        """Tell what came of a request."""
        item = sent.item
        with self._lock:
            self.messages.facts(
                "request",
                state=sent.state,
                archive=item.archive,
                path=item.name or None,
                first=item.first,
                last=last_byte(item.first, item.last, item.size),
                size=item.size,
                job=sent.job,
                reason=sent.reason,
            )

    def told(self, line: ManifestLine) -> None:
        """Tell what became of an archive."""
        with self._lock:
            self.states[line.state] += 1
            if line.is_restored:
                self.written += line.size or 0
            self.messages.facts(
                "archive",
                archive=line.archive,
                job=line.job,
                kind="archive",
                path=line.path,
                state=line.state,
                reason=line.reason,
                size=line.size,
                sha256=line.sha256,
                tree_hash=line.tree_hash,
            )
            if line.state == FAILED and self.states[FAILED] <= _NAMED:
                self.messages.complain(f"{line.path}: {line.reason}")
            elif line.state == FAILED and self.states[FAILED] == _NAMED + 1:
                self.messages.complain("more have failed; the manifest names all")
            elif self.verbose:
                self.messages.text(f"{line.path}: {line.reason or line.state}")

    def warn(self, text: str) -> None:
        """Tell something that does not end the restore."""
        with self._lock:
            self.messages.warn(text)

    def progress(self, progress: RestoreProgress) -> None:
        """Tell how far it is."""
        facts = self.status_facts(progress)
        if self.file is not None:
            self.file.write(facts)
        with self._lock:
            self.messages.facts("status", **facts)
            if time.monotonic() - self._told >= self.stats:
                self._told = time.monotonic()
                self.messages.text(_status_text(facts, progress))

    def status_facts(self, progress: RestoreProgress) -> dict[str, Any]:
        """Return how far it is, as a `status` line has it."""
        totals = self.worklist.totals()
        done = (Stage.RESTORED, Stage.SKIPPED, Stage.FAILED)
        total = _sum(totals, *Stage)
        ended = _sum(totals, *done)
        fetched = self.fetcher.counts.bytes if self.fetcher else 0
        left = _sum(totals, Stage.READABLE, Stage.FETCHING)
        share = (ended.bytes + 1) / (total.bytes + 1) if total.bytes else 1.0
        return {
            "phase": progress.phase,
            "percent_done": round(100 * min(1.0, share), 1),
            "total_files": total.archives,
            "files_restored": totals[Stage.RESTORED].archives,
            "files_skipped": totals[Stage.SKIPPED].archives,
            "files_failed": totals[Stage.FAILED].archives,
            "total_bytes": total.bytes,
            "bytes_restored": totals[Stage.RESTORED].bytes,
            "jobs_running": progress.running,
            "jobs_readable": left.archives,
            "soonest_expiry": self.worklist.soonest_expiry(),
            "rate_bytes": self._rate(fetched),
            "eta": progress.ready,
        }

    def _rate(self, fetched: int) -> float:
        """Return the bytes per second of the last minute."""
        now = time.monotonic()
        self._samples.append((now, fetched))
        while self._samples[0][0] < now - _RATE_SECONDS:
            del self._samples[0]
        begun, before = self._samples[0]
        return round((fetched - before) / (now - begun), 1) if now > begun else 0.0

    def finish(self, verdict: Verdict, manifest: str) -> dict[str, Any]:
        """Tell the result, and return its counts; they add up to all."""
        totals = self.worklist.totals()
        unfinished = (Stage.WAITING, Stage.READABLE, Stage.FETCHING, Stage.LEFT)
        left = _sum(totals, *unfinished).archives
        counts: dict[str, Any] = {
            "total_files": _sum(totals, *Stage).archives,
            "files_restored": totals[Stage.RESTORED].archives,
            "files_skipped": totals[Stage.SKIPPED].archives,
            "files_failed": totals[Stage.FAILED].archives,
            "files_left": left,
            "files_unverified": self.states["unverified"],
            "total_bytes": _sum(totals, *Stage).bytes,
            "bytes_restored": totals[Stage.RESTORED].bytes,
        }
        parts = ("files_restored", "files_skipped", "files_failed", "files_left")
        if sum(counts[name] for name in parts) != counts["total_files"]:
            raise AssertionError(f"the counts of the restore do not add up: {counts}")
        text = (
            f"restored {counts['files_restored']:,} ({size_text(counts['bytes_restored'])}), "
            f"skipped {counts['files_skipped']:,}, failed {counts['files_failed']:,}"
        )
        if left:
            text += f", left {left:,}"
        self.messages.text(f"{text} of {counts['total_files']:,}; manifest: {manifest}")
        if counts["files_unverified"]:
            self.messages.warn(
                f"{counts['files_unverified']:,} are unverified: the service gave no hash for all "
                "of their bytes; the manifest marks them"
            )
        self.messages.facts("summary", **counts, exit_status=int(verdict.status))
        self.end(verdict)
        return counts

    def end(self, verdict: Verdict) -> None:
        """Tell why the exit status is not 0."""
        if verdict.status is not Status.DONE:
            self.messages.facts("exit_error", code=int(verdict.status), message=verdict.reason)
            self.messages.complain(verdict.reason)


def _sum(totals: dict[Stage, Totals], *stages: Stage) -> Totals:
    found = [totals[stage] for stage in stages]
    return Totals(sum(one.archives for one in found), sum(one.bytes for one in found))


def _status_text(facts: dict[str, Any], progress: RestoreProgress) -> str:
    done, total = facts["files_restored"] + facts["files_skipped"], facts["total_files"]
    text = (
        f"{done:,} of {total:,} restored, {size_text(facts['bytes_restored'])} of "
        f"{size_text(facts['total_bytes'])}, {facts['rate_bytes'] / 1e6:,.1f} MB/s"
    )
    if facts["jobs_running"]:
        text += f"; {facts['jobs_running']:,} jobs running"
    if progress.ready is not None and facts["jobs_running"]:
        text += f", usually done by {local_text(progress.ready)}"
    return text
