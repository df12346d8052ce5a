"""Runs `casfs fetch`, and tells what becomes of it."""

from dataclasses import dataclass, field

from casfs.at_risk import Outlook
from casfs.cli import exit_status
from casfs.cli.fetch_text import (
    NAMED,
    late_text,
    names_text,
    no_room_text,
    plan_facts,
    plan_lines,
)
from casfs.cli.messages import Messages
from casfs.cli.progress import ProgressView, Standing, open_progress
from casfs.cli.show import size_text
from casfs.client import Client, FetchableOutput
from casfs.restore.fetch_plan import FetchOptions, FetchPlan, make_plan
from casfs.restore.fetch_queue import Ended
from casfs.restore.fetch_run import MEASURING, FetchRun, FetchStanding

_LOOK_SECONDS = 30.0
"""Seconds between two looks at what is at risk."""


def fetch(
    client: Client, options: FetchOptions, dry_run: bool, stats: float | None, messages: Messages
) -> int:
    """Fetch outputs; return the exit status.

    Args:
        client: the account.
        options: what is wanted.
        dry_run: show the plan, and fetch nothing.
        stats: seconds between two lines of progress, None for what is usual.
        messages: gets plan, progress and outcome.

    Raises:
        NotFoundError: there is no such vault, job or archive.
        CasfsError: the service refuses us, or the catalog cannot be read.
    """
    plan = make_plan(client, options)
    for line in plan_lines(plan):
        messages.text(line)
    messages.facts("plan", **plan_facts(plan))
    _tell_unreadable(plan, messages)
    if plan.no_room is not None:
        message = no_room_text(plan.no_room, client.config.cache_dir)
        messages.complain(message)
        if not dry_run:
            messages.facts("exit_error", code=exit_status.NOT_STARTED, message=message)
            return exit_status.NOT_STARTED
    if plan.known_rate is not None and plan.items:
        outlook = plan.outlook(plan.known_rate.rate)
        late = [plan.items[index] for index in outlook.late]
        _warn_late(outlook, plan.known_rate.rate, late, messages)
    if dry_run:
        return exit_status.DONE
    report = _FetchReport(client, plan, messages)
    if plan.items:
        report.run(options.order, stats)
    return report.finish()


def _tell_unreadable(plan: FetchPlan, messages: Messages) -> None:
    for one in plan.unreadable:
        state = "running" if one.running else "failed"
        messages.facts(
            "archive",
            archive=one.archive,
            job=one.job,
            path=one.name,
            state=state,
            reason=one.reason,
        )
    for one in plan.unreadable[:NAMED]:
        messages.complain(f"{one.name} cannot be read: {one.reason}")
    if len(plan.unreadable) > NAMED:
        messages.complain(f"{len(plan.unreadable) - NAMED:,} more cannot be read; --json names all")


def _warn_late(
    outlook: Outlook, rate: float, late: list[FetchableOutput], messages: Messages
) -> None:
    if late:
        messages.warn(
            late_text(outlook, rate, late),
            needed_rate=None if outlook.needed_rate == float("inf") else outlook.needed_rate,
            rate_bytes=rate,
            bytes_at_risk=outlook.bytes_at_risk,
            at_risk=[one.archive or one.job for one in late],
        )


@dataclass
class _FetchReport:
    """Follows a run, and tells what becomes of each output.

    Attributes:
        client: the account.
        plan: what is fetched.
        messages: gets what is told.
    """

    client: Client
    plan: FetchPlan
    messages: Messages
    failed: list[Ended] = field(default_factory=list)
    fetched: int = 0
    size: int = 0
    mismatch: bool = False
    _looked: float = -_LOOK_SECONDS
    _at_risk: int | None = None
    _warned: int = 0

    def run(self, order: str, stats: float | None) -> None:
        """Fetch what was planned."""
        run = FetchRun(self.client, self.plan, order, self._tell)
        with open_progress(self.messages.lines, stats) as view:
            run.run(lambda standing: self._show(run, standing, view))
        self.size = run.standing().size

    def finish(self) -> int:
        """Tell the result, and return the exit status."""
        status = self._status()
        self.messages.facts(
            "summary",
            total_files=self._total(),
            files_restored=self.fetched,
            files_skipped=len(self.plan.cached),
            files_failed=len(self.failed) + len(self.plan.unreadable) + len(self.plan.too_large),
            bytes_restored=self.size,
            exit_status=status,
        )
        text = f"{self.fetched:,} fetched ({size_text(self.size)})"
        if self.plan.cached:
            text += f", {len(self.plan.cached):,} in the cache before"
        left = [one.item.name for one in self.failed]
        if left:
            text += f", {len(left):,} failed"
        self.messages.text(text)
        if len(left) > NAMED:
            self.messages.complain(f"failed: {names_text(left)}")
        if self.plan.too_large:
            names = names_text([one.name for one in self.plan.too_large])
            self.messages.complain(f"left out, as the cache has no room for it: {names}")
        return status

    def _total(self) -> int:
        plan = self.plan
        found = len(plan.items) + len(plan.cached) + len(plan.too_large)
        return found + len(plan.unreadable)

    def _status(self) -> int:
        if self.mismatch:
            return exit_status.MISMATCH
        cold = [one for one in self.plan.unreadable if not one.running]
        if self.failed or self.plan.too_large or cold:
            return exit_status.FAILED
        return exit_status.UNFINISHED if self.plan.unreadable else exit_status.DONE

    def _tell(self, ended: Ended) -> None:
        item = ended.item
        if ended.state == "fetched":
            self.fetched += 1
        else:
            self.failed.append(ended)
            self.mismatch |= ended.mismatch
            if len(self.failed) <= NAMED:
                self.messages.complain(f"{item.name} was not fetched: {ended.reason}")
        self.messages.facts(
            "archive",
            archive=item.archive,
            job=item.job,
            path=item.name if item.archive else None,
            state=ended.state,
            reason=ended.reason,
            size=item.size,
            expires=item.expires,
            verified=ended.verified,
        )

    def _show(self, run: FetchRun, standing: FetchStanding, view: ProgressView) -> None:
        now = self.client.retrievals.now()
        rate = standing.rate
        if (
            rate
            and standing.seconds >= MEASURING
            and standing.seconds - self._looked >= _LOOK_SECONDS
        ):
            self._looked = standing.seconds
            outlook, late = run.outlook(rate, now)
            self._at_risk = outlook.bytes_at_risk
            # Again only where it has become much more.
            if len(late) > 2 * self._warned:
                self._warned = len(late)
                _warn_late(outlook, rate, late, self.messages)
        view.show(
            Standing(
                phase="fetching",
                files=standing.fetched,
                total_files=len(self.plan.items),
                skipped=len(self.plan.cached),
                failed=standing.failed,
                size=standing.size,
                total=self.plan.missing,
                rate=rate,
                expiry=standing.soonest_expiry,
                now=now,
                at_risk=self._at_risk,
            )
        )
