"""Runs `casfs fetch`, and tells what becomes of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from casfs.at_risk import Outlook
from casfs.cli import exit_status
from casfs.cli.event_command import BackgroundEvents
from casfs.cli.fetch_text import (
    NAMED,
    late_text,
    names_text,
    no_room_text,
    plan_facts,
    plan_lines,
)
from casfs.cli.json_lines import line
from casfs.cli.messages import Messages
from casfs.cli.progress import ProgressView, open_progress
from casfs.cli.show import size_text
from casfs.cli.standing import Standing
from casfs.client import Client, FetchableOutput
from casfs.restore.fetch_plan import FetchOptions, FetchPlan, make_plan
from casfs.restore.fetch_queue import Ended
from casfs.restore.fetch_run import MEASURING, FetchRun, FetchStanding

_LOOK_SECONDS = 30.0
"""Seconds between two looks at what is at risk."""


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


@dataclass
class FetchReport:
    """Fetches outputs, and tells what becomes of each.

    Attributes:
        client: the account.
        messages: gets plan, progress and outcome.
        events: get a warning when outputs turn out to be at risk.
        clock: returns seconds, which never go back.
    """

    client: Client
    messages: Messages
    events: BackgroundEvents
    clock: Callable[[], float] = time.monotonic
    plan: FetchPlan = field(init=False)
    failed: list[Ended] = field(default_factory=list)
    fetched: int = 0
    size: int = 0
    mismatch: bool = False
    _looked: float = -_LOOK_SECONDS
    _at_risk: int | None = None
    _warned: int = 0

    def fetch(self, options: FetchOptions, dry_run: bool, stats: float | None) -> int:
        """Fetch outputs; return the exit status.

        Args:
            options: what is wanted.
            dry_run: show the plan, and fetch nothing.
            stats: seconds between two lines of progress, None for what is usual.

        Raises:
            NotFoundError: there is no such vault, job or archive.
            CasfsError: the service refuses us, or the catalog cannot be read.
        """
        self.plan = plan = make_plan(self.client, options)
        for text in plan_lines(plan):
            self.messages.text(text)
        self.messages.facts("plan", **plan_facts(plan))
        _tell_unreadable(plan, self.messages)
        if plan.no_room is not None:
            message = no_room_text(plan.no_room, self.client.config.cache_dir)
            self.messages.complain(message)
            if not dry_run:
                code = exit_status.NOT_STARTED
                self.messages.facts("exit_error", code=code, message=message)
                return code
        if plan.known_rate is not None and plan.items:
            outlook = plan.outlook(plan.known_rate.rate)
            late = [plan.items[index] for index in outlook.late]
            self._warn_late(outlook, plan.known_rate.rate, late, is_event=not dry_run)
        if dry_run:
            return exit_status.DONE
        if plan.items:
            self._run(options.order, stats)
        return self._finish()

    def _run(self, order: str, stats: float | None) -> None:
        run = FetchRun(self.client, self.plan, order, self._tell, self.clock)
        with open_progress(self.messages.lines, stats) as view:
            run.run(lambda standing: self._show(run, standing, view))
        self.size = run.standing().size

    def _finish(self) -> int:
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
            self.messages.complain(f"left out, because the cache has no room for it: {names}")
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
                self._warn_late(outlook, rate, late)
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

    def _warn_late(
        self, outlook: Outlook, rate: float, late: list[FetchableOutput], is_event: bool = True
    ) -> None:
        if not late:
            return
        no_rate = outlook.needed_rate == float("inf")
        facts = {
            "message": late_text(outlook, rate, late),
            "needed_rate": None if no_rate else outlook.needed_rate,
            "rate_bytes": rate,
            "bytes_at_risk": outlook.bytes_at_risk,
            "at_risk": [one.archive or one.job for one in late],
        }
        self.messages.complain(str(facts["message"]))
        message = self.messages.lines.show("warning", **facts)
        if is_event:
            self.events.add(line(message))
