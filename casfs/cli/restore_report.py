"""Tells how a restore goes: text for a person, lines of JSON for a program."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from casfs.at_risk import Due, outlook_in_order
from casfs.cli.event_command import BackgroundEvents
from casfs.cli.json_lines import line
from casfs.cli.messages import Messages
from casfs.cli.open_question import OpenQuestion
from casfs.cli.progress import ProgressView
from casfs.cli.request_report import sent_facts
from casfs.cli.show import local_text, size_text
from casfs.cli.standing import Standing, rate_text
from casfs.metrics import Metrics
from casfs.restore.amounts import amount_text
from casfs.restore.destination.existing_files import Existing
from casfs.restore.destination.manifest import FAILED, ManifestLine
from casfs.restore.job_sending import Sent
from casfs.restore.preparing import Prepared
from casfs.restore.progress_file import ProgressFile
from casfs.restore.restore_planner import RestoreProgress
from casfs.restore.verdict import Status, Verdict
from casfs.restore.work_items import Stage, Totals
from casfs.restore.worklist import Worklist
from casfs.throughput import RateWindow

_NAMED = 20
"""Failures that are named on the terminal; the manifest and JSON lines have all."""
_KEPT = "kept"
_TOLD = {FAILED: "have failed", _KEPT: "newer files that differ are kept"}
_SKIPPED = (Stage.SKIPPED, Stage.KEPT)
_MEASURED = 30.0
"""Seconds after which a rate says what can be fetched in time."""
_RISK_SECONDS = 30.0
_NAMED_AT_RISK = 10
_MOST_AT_RISK = 1000
"""Archives at risk that lines of JSON name at most."""


@dataclass
class RestoreReport:
    """What a restore has done, and how far it is. Safe for threads.

    Lock order: its one lock is held while a line is printed, and under none of the restore's.

    Attributes:
        messages: gets text and JSON.
        events: get a warning when archives turn out to be at risk.
        worklist: has the archives.
        metrics: counts what is received.
        now: returns the time by the service's clock, UTC.
        clock: returns seconds, which never go back.
        verbose: name each archive that was restored.
        in_flight: returns the bytes that have come of archives that are being fetched.
        view: shows how far it is, once it has begun.
        file: tells other processes how far it is, once it has begun.
        busy: seconds in which something was fetched.
    """

    messages: Messages
    events: BackgroundEvents
    worklist: Worklist
    metrics: Metrics
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    verbose: bool = False
    in_flight: Callable[[], int] = lambda: 0
    view: ProgressView | None = None
    file: ProgressFile | None = None
    states: Counter[str] = field(default_factory=Counter)
    busy: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _rates: RateWindow = field(init=False)
    _ready: datetime | None = None
    _risk: int | None = None
    _risk_due: float = 0.0
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        self._rates = RateWindow(clock=self.clock)
        self._told = self.clock()

    def ask_again(self, prepared: Prepared, tier: str) -> OpenQuestion:
        """Ask whether to request again, at a tier, what is lost."""
        return OpenQuestion(f"{_lost_text(prepared, tier)}; request again?", self.view)

    def requests_again(self, prepared: Prepared, tier: str) -> None:
        """Tell that what is lost is requested again, as the user agreed in advance."""
        self.warn(f"{_lost_text(prepared, tier)}; requested again, as --rerequest yes says")

    def sent(self, sent: Sent) -> None:
        """Tell what came of a request."""
        with self._lock:
            self.messages.facts("request", **sent_facts(sent))

    def told(self, line: ManifestLine) -> None:
        """Tell what became of an archive."""
        state = _KEPT if line.reason == Existing.DIFFERENT.reason else line.state
        with self._lock:
            self.states[state] += 1
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
            if state in _TOLD and self.states[state] <= _NAMED:
                self.messages.complain(f"{line.path}: {line.reason}")
            elif state in _TOLD and self.states[state] == _NAMED + 1:
                self.messages.complain(f"more {_TOLD[state]}; the manifest names all")
            elif self.verbose:
                self.messages.text(f"{line.path}: {line.reason or line.state}")

    def warn(self, text: str) -> None:
        """Tell something that does not end the restore."""
        with self._lock:
            self.messages.warn(text)

    def progress(self, progress: RestoreProgress) -> None:
        """Tell how far it is."""
        standing = self._standing(progress)
        if self.file is not None:
            self.file.write(self._facts(standing))
        if progress.phase == "waiting" and progress.running and progress.ready != self._ready:
            self._ready = progress.ready
            until = f", usually done by {local_text(self._ready)}" if self._ready else ""
            with self._lock:
                self.messages.text(f"waiting for {progress.running:,} jobs{until}")
        if self.view is not None:
            with self._lock:
                self.view.show(standing)

    def _standing(self, progress: RestoreProgress) -> Standing:
        """Return how far it is."""
        totals = self.worklist.totals()
        all_of_it, left = (
            _sum(totals, *Stage),
            _sum(totals, Stage.READABLE, Stage.FETCHING),
        )
        received, time_now = self.metrics.received(), self.clock()
        self._rates.note(received)
        if progress.phase == "restoring":
            self.busy += time_now - self._told
        self._told = time_now
        skipped = _sum(totals, *_SKIPPED)
        done = totals[Stage.RESTORED].bytes + skipped.bytes
        # An archive may be recorded before its lane is free.
        in_flight = min(self.in_flight(), all_of_it.bytes - done)
        return Standing(
            phase=progress.phase,
            files=totals[Stage.RESTORED].archives,
            total_files=all_of_it.archives,
            skipped=skipped.archives,
            failed=totals[Stage.FAILED].archives,
            size=done + in_flight,
            total=all_of_it.bytes,
            rate=self._rates.rate(),
            expiry=self.worklist.soonest_expiry(),
            now=self.now(),
            at_risk=self._at_risk(),
            unit="archives",
            facts={
                "bytes_restored": totals[Stage.RESTORED].bytes + in_flight,
                "bytes_skipped": skipped.bytes,
                "files_unverified": self.states["unverified"],
                "jobs_running": progress.running,
                "jobs_readable": left.archives,
                "jobs_ready": progress.ready,
            },
        )

    def _facts(self, standing: Standing) -> dict[str, Any]:
        return {
            "phase": standing.phase,
            "percent_done": standing.percent(),
            "total_files": standing.total_files,
            "files_restored": standing.files,
            "files_skipped": standing.skipped,
            "files_failed": standing.failed,
            "total_bytes": standing.total,
            "soonest_expiry": standing.expiry,
            "bytes_at_risk": standing.at_risk,
            "rate_bytes": standing.rate,
            "eta": standing.eta(),
            **(standing.facts or {}),
        }

    def _at_risk(self) -> int | None:
        """Return the bytes that expire before they can be fetched; warn if that is new."""
        rate = self._rates.rate()
        if rate is None or self._rates.span() < _MEASURED or self.clock() < self._risk_due:
            return self._risk
        self._risk_due = self.clock() + _RISK_SECONDS
        left = (Due(one.expiry, one.size or 0, one.path) for one in self.worklist.to_fetch())
        found = outlook_in_order(left, max(rate, 1.0), self.now(), _MOST_AT_RISK)
        if found.bytes_at_risk and not self._risk:
            size, late = size_text(found.bytes_at_risk), found.late_outputs
            names = ", ".join(found.late_names[:_NAMED_AT_RISK])
            which = "this archive" if late == 1 else f"these {late:,} archives"
            possible = found.needed_rate != float("inf")
            needed = rate_text(found.needed_rate) if possible else "more than any rate"
            self._warn_of_risk(
                message=f"needs {needed}, has {rate_text(rate)}: {size} cannot be fetched before "
                f"they expire; {which}: {names}",
                needed_rate=found.needed_rate if possible else None,
                rate_bytes=rate,
                bytes_at_risk=found.bytes_at_risk,
                at_risk=list(found.late_names),
            )
        self._risk = found.bytes_at_risk
        return self._risk

    def _warn_of_risk(self, message: str, **facts: Any) -> None:
        with self._lock:
            self.messages.complain(message)
            warning = self.messages.lines.show("warning", message=message, **facts)
        self.events.add(line(warning))

    def finish(self, verdict: Verdict, manifest: str) -> dict[str, Any]:
        """Tell the result, and return its counts; they add up to all."""
        totals = self.worklist.totals()
        unfinished = (Stage.WAITING, Stage.READABLE, Stage.FETCHING, Stage.LEFT)
        left = _sum(totals, *unfinished).archives
        counts: dict[str, Any] = {
            "total_files": _sum(totals, *Stage).archives,
            "files_restored": totals[Stage.RESTORED].archives,
            "files_skipped": _sum(totals, *_SKIPPED).archives,
            "files_kept": totals[Stage.KEPT].archives,
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


def _lost_text(prepared: Prepared, tier: str) -> str:
    """Return how much is lost, and what it costs to request that again, and nothing else."""
    plan = prepared.plan
    lost, planned = plan.load_again(tier), plan.load(tier, again=False)
    cost = prepared.cost(lost, planned)
    size, amount = size_text(lost.bytes), amount_text(cost.total, cost.currency)
    return f"{lost.jobs:,} can no longer be fetched ({size}, {amount})"


def _sum(totals: dict[Stage, Totals], *stages: Stage) -> Totals:
    found = [totals[stage] for stage in stages]
    return Totals(sum(one.archives for one in found), sum(one.bytes for one in found))
