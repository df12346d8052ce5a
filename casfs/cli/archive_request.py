"""Requests archives: plan, question, sending, and what came of it."""

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import click

from casfs.cli.gaps import tell_gaps
from casfs.cli.messages import Messages
from casfs.cli.plan_text import plan_facts, plan_lines
from casfs.cli.waiting import wait_for
from casfs.client import Client
from casfs.errors import ConfigError
from casfs.ledger.request import Request, last_byte
from casfs.model import Vault
from casfs.restore.ledger import Ledger
from casfs.restore.options import Options
from casfs.restore.plan import Group
from casfs.restore.preparing import Preparation, Prepared
from casfs.restore.reconciling import failure_text
from casfs.restore.running import Outcome, Run, objection, uncertain_text
from casfs.restore.sending import Sent
from casfs.restore.spool import Spool
from casfs.restore.verdict import Status, Verdict

_PLAN_SECONDS = 600.0
"""Seconds for which a plan is worth an answer: others may have started jobs since."""
_SHOWN = 20
"""Failures that are named on the terminal; JSON lines have all."""


def open_ledger(client: Client, vault: Vault) -> Ledger:
    """Return the ledger of a vault.

    Raises:
        ConfigError: there is no state directory.
        LedgerError: it cannot be used.
    """
    directory = client.config.state_dir
    if directory is None:
        raise ConfigError("there is no home directory; use --state-dir, or set HOME")
    return Ledger(directory, client.retrievals.account_key(vault), vault.name)


def request_archives(
    client: Client, options: Options, flags: Mapping[str, Any], messages: Messages
) -> int:
    """Request archives; return the exit status.

    Args:
        client: of the account.
        options: what is wanted.
        flags: `dry_run`, `yes` and `wait`.
        messages: gets plan and outcome.

    Raises:
        ConfigError: the service knows no such jobs.
        LedgerError: the ledger cannot be used; nothing is sent.
        CasfsError: service or catalog failed before anything was sent.
    """
    options.check(client.retrievals.features)
    vault = client.retrievals.vault(options.vault)
    while (status := _request(client, options, vault, flags, messages)) is None:
        messages.text("the answer came late; this is what there is to request now:")
    return status


def _request(
    client: Client, options: Options, vault: Vault, flags: Mapping[str, Any], messages: Messages
) -> int | None:
    """Request archives as `request_archives` does; None if the user agreed to an old plan."""
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(client, vault))
        spool = stack.enter_context(Spool())
        prepared = Preparation(client, options, ledger, vault, spool).prepare()
        messages.lines.run = prepared.run
        again = _includes_again(options, flags)
        _show_plan(prepared, options, again, messages)
        if flags["dry_run"]:
            return Status.DONE
        shown = time.monotonic()
        verdict = _before_sending(prepared, options, flags, again)
        counts, jobs = _nothing(prepared), set(prepared.adopted)
        if verdict is None and time.monotonic() - shown > _PLAN_SECONDS:
            return None
        if verdict is None:
            watch = partial(_tell, messages=messages, jobs=jobs)
            outcome = Run(client, options, ledger, spool, prepared, watch).run(again)
            _tell_failed(outcome.lost, messages)
            verdict, counts = _final(outcome, prepared, again), _counts(outcome, prepared)
    status = _end(verdict, counts, messages)
    if flags["wait"] and jobs and verdict.status is not Status.NOT_STARTED:
        waited = wait_for(client, vault.name, jobs, messages.lines)
        status = max(status, waited)
    return status


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
    _tell_failed(prepared.failed, messages)
    for line in plan_lines(prepared, options, again):
        messages.text(line)
    messages.facts("plan", **plan_facts(prepared, options, again))
    for item in prepared.too_large[:_SHOWN]:
        messages.warn(f"{item.shown} is too large for {options.tier.value}", archive=item.archive)
    if prepared.coverage is not None and options.everything:
        tell_gaps(prepared.vault.name, prepared.coverage)


def _tell_failed(failed: list[tuple[Request, str]], messages: Messages) -> None:
    for request, reason in failed:
        text = failure_text(request, reason)
        messages.warn(text, archive=request.archive, job=request.job, state="failed")


def _before_sending(
    prepared: Prepared, options: Options, flags: Mapping[str, Any], again: bool
) -> Verdict | None:
    """Return how the command ends before anything is sent, None if the user agrees."""
    plan = prepared.plan
    load = plan.load(options.tier.value, again)
    left = 0 if again else plan.groups[Group.AGAIN].archives
    if not load.jobs:
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
    if click.confirm(f"start {jobs}? They cannot be canceled.", err=True):
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


def _final(outcome: Outcome, prepared: Prepared, again: bool) -> Verdict:
    left = 0 if again else prepared.plan.groups[Group.AGAIN].archives
    uncertain = prepared.plan.groups[Group.UNCERTAIN].archives
    if outcome.verdict.status is Status.DONE and uncertain and not outcome.uncertain:
        # What an earlier command left was settled by this one's last list, and was not sent again.
        return Verdict(Status.UNFINISHED, "run the same command again to see that all is requested")
    if outcome.verdict.status is Status.DONE and left:
        return Verdict(Status.FAILED, _again_text(left))
    return outcome.verdict


def _tell(sent: Sent, messages: Messages, jobs: set[str]) -> None:
    item = sent.item
    if sent.job is not None:
        jobs.add(sent.job)
    messages.facts(
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
    if sent.state == "refused":
        messages.warn(f"{item.shown}: {sent.reason}", archive=item.archive)


def _nothing(prepared: Prepared) -> dict[str, object]:
    return {**_adopted(prepared), "started": 0, "uncertain": 0, "files_failed": 0, "left": 0}


def _counts(outcome: Outcome, prepared: Prepared) -> dict[str, object]:
    counts = outcome.counts
    return {
        **_adopted(prepared),
        "started": counts.started,
        "elsewhere": counts.elsewhere,
        "uncertain": outcome.uncertain,
        "files_failed": len(counts.failed),
        "left": outcome.left,
        "bytes_started": counts.bytes,
    }


def _adopted(prepared: Prepared) -> dict[str, object]:
    groups = prepared.plan.groups
    return {
        "total_files": prepared.plan.all.archives,
        "readable": groups[Group.READABLE].archives,
        "cached": groups[Group.CACHED].archives,
        "running": groups[Group.RUNNING].archives,
    }


def _end(verdict: Verdict, counts: dict[str, object], messages: Messages) -> int:
    started, left = counts["started"], counts.get("elsewhere") or 0
    jobs = "1 job" if started == 1 else f"{started:,} jobs"
    text = f"started {jobs}"
    if left:
        text += f"; another casfs requested {left:,}"
    messages.text(text)
    messages.facts("summary", **counts)
    if verdict.status is not Status.DONE:
        messages.facts("exit_error", code=int(verdict.status), message=verdict.reason)
        messages.complain(verdict.reason)
    return verdict.status
