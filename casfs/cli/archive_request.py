"""Requests archives: plan, question, sending, and what came of it."""

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from casfs.cli.confirming import confirm
from casfs.cli.event_command import EventCommand
from casfs.cli.gaps import tell_gaps
from casfs.cli.messages import Messages
from casfs.cli.plan_text import plan_facts, plan_lines
from casfs.cli.request_report import RequestReport, tell_failed
from casfs.cli.wait_report import WaitReport
from casfs.cli.waiting import wait_for
from casfs.client import Client
from casfs.errors import CasfsError, ConfigError
from casfs.model import Vault
from casfs.restore.caps import objection
from casfs.restore.ledger import Ledger
from casfs.restore.plan import Group
from casfs.restore.preparing import Preparation, Prepared
from casfs.restore.request_options import Options
from casfs.restore.running import Run, uncertain_text
from casfs.restore.spool import Spool
from casfs.restore.verdict import DONE, Status, Verdict
from casfs.restore.waves import Waves

_PLAN_SECONDS = 600.0
"""Seconds for which a plan is worth an answer: others may have started jobs since."""
_SHOWN = 20
"""Failures that are named on the terminal; JSON lines have all."""


def open_ledger(client: Client, vault: Vault, *, dry_run: bool = False) -> Ledger:
    """Return the ledger of a vault.

    Args:
        client: of the account.
        vault: as the service describes it.
        dry_run: whether to write nothing.

    Raises:
        ConfigError: there is no state directory.
        LedgerError: it cannot be used.
    """
    directory = client.config.state_dir
    if directory is None:
        raise ConfigError("there is no home directory; use --state-dir, or set HOME")
    account = client.retrievals.account_key(vault)
    return Ledger(directory, account, vault.name, dry_run=dry_run)


def request_archives(
    client: Client, options: Options, flags: Mapping[str, Any], messages: Messages
) -> int:
    """Request archives; return the exit status.

    Args:
        client: of the account.
        options: what is wanted.
        flags: `dry_run`, `yes`, `wait`, `on_event` and `event_timeout`.
        messages: gets plan and outcome.

    Raises:
        ConfigError: the service knows no such jobs.
        LedgerError: the ledger cannot be used; nothing is sent.
        CasfsError: service or catalog failed before anything was sent.
    """
    options.check(client.retrievals.features)
    vault = client.retrievals.vault(options.vault)
    while (status := _request(client, options, vault, flags, messages)) is None:
        messages.text("the answer came late; this is the plan now:")
    return status


def _request(
    client: Client, options: Options, vault: Vault, flags: Mapping[str, Any], messages: Messages
) -> int | None:
    """Request archives as `request_archives` does; None if the user agreed to an old plan."""
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(client, vault, dry_run=flags["dry_run"]))
        spool = stack.enter_context(Spool())
        prepared = Preparation(client, options, ledger, vault, spool).prepare()
        messages.lines.run = prepared.run
        again = _includes_again(options, flags)
        _show_plan(prepared, options, again, messages)
        if flags["dry_run"]:
            return Status.DONE
        shown = time.monotonic()
        verdict = _before_sending(prepared, options, flags, again)
        if verdict is None and time.monotonic() - shown > _PLAN_SECONDS:
            return None
        report = RequestReport(prepared, messages)
        waits = WaitReport(messages.lines, paths=report.paths)
        if flags["on_event"] is not None:
            waits.events = EventCommand(flags["on_event"], waits.warn, flags["event_timeout"])
        run = Run(client, options, ledger, spool, prepared, report.tell)
        try:
            if verdict is None:
                verdict = _send(run, again, client, report, waits if flags["wait"] else None)
            else:
                if verdict.status is not Status.NOT_STARTED:
                    report.tell_started()
                if flags["wait"] and report.jobs and verdict.status is not Status.NOT_STARTED:
                    wait_for(client, vault.name, report.jobs, waits)
        except (KeyboardInterrupt, CasfsError):
            report.break_off(run.counts, prepared.plan.load(options.tier.value, again).jobs)
            report.finish(DONE, **waits.counts())
            raise
    verdict = _final(verdict, prepared, again, waits)
    report.finish(verdict, **(waits.counts() if flags["wait"] else {}))
    return verdict.status


def _send(
    run: Run, again: bool, client: Client, report: RequestReport, waits: WaitReport | None
) -> Verdict:
    """Send what the user agreed to, and wait until all of it is done if that is wanted."""
    outcome = run.run(again)
    report.note(outcome)
    report.tell_started()
    if waits is None:
        return outcome.verdict
    waves = Waves(run, outcome, client.config.settle_seconds, report.note)
    if waves.is_pending:
        report.tell_waves()
    if report.jobs or waves.is_pending:
        wait_for(client, waits.lines.vault, report.jobs, waits, waves)
    return waves.outcome.verdict


def _is_asked(flags: Mapping[str, Any]) -> bool:
    return not flags["yes"] and sys.stdin.isatty()


def _includes_again(options: Options, flags: Mapping[str, Any]) -> bool:
    """Return whether the plan includes what was requested before, and failed or expired.

    `-y` agrees to the plan, but not to that.
    """
    if options.rerequest == "ask":
        return _is_asked(flags) or bool(flags["dry_run"] and sys.stdin.isatty())
    return options.rerequest == "yes"


def _show_plan(prepared: Prepared, options: Options, again: bool, messages: Messages) -> None:
    tell_failed(prepared.failed, messages)
    for line in plan_lines(prepared, options, again):
        messages.text(line)
    messages.facts("plan", **plan_facts(prepared, options, again))
    for item in prepared.too_large[:_SHOWN]:
        messages.warn(f"{item.shown} is too large for {options.tier.value}", archive=item.archive)
    if prepared.coverage is not None and options.everything:
        tell_gaps(prepared.vault.name, prepared.coverage)


def _before_sending(
    prepared: Prepared, options: Options, flags: Mapping[str, Any], again: bool
) -> Verdict | None:
    """Return how the command ends before anything is sent, None if the user agrees."""
    plan = prepared.plan
    load = plan.load(options.tier.value, again)
    left = 0 if again else plan.groups[Group.AGAIN].archives
    uncertain = plan.groups[Group.UNCERTAIN].archives
    if not load.jobs and not (uncertain and flags["wait"] and flags["yes"]):
        return _nothing_to_send(prepared, left)
    refused = objection(prepared, options, again)
    if refused is not None:
        return refused
    if flags["yes"] or prepared.cost(load).is_free:
        return None
    if not sys.stdin.isatty():
        return Verdict(
            Status.NOT_STARTED, "nothing was sent: no terminal to ask on; -y agrees to the plan"
        )
    jobs = "1 job" if load.jobs == 1 else f"{load.jobs:,} jobs"
    if uncertain:
        jobs += f", and {uncertain:,} more if they turn out not to be accepted"
    if confirm(f"start {jobs}? They cannot be canceled."):
        return None
    return Verdict(Status.NOT_STARTED, "nothing was sent")


def _nothing_to_send(prepared: Prepared, left: int) -> Verdict:
    groups = prepared.plan.groups
    if left:
        return Verdict(Status.NOT_STARTED, _again_text(left))
    if uncertain := groups[Group.UNCERTAIN].archives:
        return Verdict(Status.UNFINISHED, uncertain_text(uncertain))
    if large := groups[Group.TOO_LARGE].archives:
        return Verdict(Status.FAILED, f"{large} were not requested; see above")
    return Verdict(Status.DONE)


def _again_text(count: int) -> str:
    what = "1 was" if count == 1 else f"{count} were"
    return (
        f"{what} requested before and failed or expired; -y does not agree to pay for that again: "
        "--rerequest yes does"
    )


def _final(verdict: Verdict, prepared: Prepared, again: bool, waits: WaitReport) -> Verdict:
    """Return how the command ends, after what it sent and what it waited for."""
    left = 0 if again else prepared.plan.groups[Group.AGAIN].archives
    if verdict.status is Status.DONE and left:
        verdict = Verdict(Status.FAILED, _again_text(left))
    waited = Status(waits.status())
    if waited > verdict.status:
        return Verdict(waited, f"jobs that failed: {waits.failed}; see above")
    return verdict
