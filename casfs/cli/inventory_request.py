"""Requests an inventory: plan, question, and the jobs that bring it."""

import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from casfs.cli.archive_request import open_ledger
from casfs.cli.confirming import confirm
from casfs.cli.event_command import EventCommand
from casfs.cli.json_lines import line
from casfs.cli.messages import Messages
from casfs.client import Client
from casfs.errors import ConfigError
from casfs.ledger.request import Request
from casfs.model import JobState, Vault
from casfs.restore.amounts import Cap, Estimate, amount_text
from casfs.restore.caps import check_cost, too_many
from casfs.restore.inventories import InventoryRun
from casfs.restore.inventory_jobs import InventoryStanding, Wanted, lost_text
from casfs.restore.inventory_survey import InventorySurvey
from casfs.restore.price_table import find_prices
from casfs.restore.prices import INVENTORY, Load, Prices
from casfs.restore.request_options import check_notices
from casfs.restore.verdict import Status, Verdict


def request_inventory(
    client: Client, name: str, flags: Mapping[str, Any], messages: Messages
) -> int:
    """Request an inventory of a vault; return the exit status.

    Args:
        client: of the account.
        name: of the vault.
        flags: the command's options.
        messages: gets plan and outcome.

    Raises:
        ConfigError: the service knows no such inventories.
        CasfsError: service or ledger failed.
    """
    features = client.retrievals.features
    check_notices(flags["sns_topic"], flags["callback"], features)
    wanted = Wanted(
        since=_date("since", flags["since"]),
        until=_date("until", flags["until"]),
        sns_topic=flags["sns_topic"],
        call_back=flags["callback"],
    )
    if (wanted.since or wanted.until) and not features.inventory_query:
        raise ConfigError("the service's inventories have all archives: leave out the dates")
    cap = None if flags["max_cost"] is None else Cap.parse(flags["max_cost"])
    config, vault = client.config, client.retrievals.vault(name)
    prices = find_prices(config.dialect, config.region, config.prices)
    seen: Counter[str] = Counter()
    last: list[str] = []

    def watch(state: str, job: str | None) -> None:
        seen[state] += 1
        last.extend(filter(None, [job]))
        _tell(state, job, messages)

    with open_ledger(client, vault, dry_run=flags["dry_run"]) as ledger:
        number = messages.lines.run = ledger.run_of(wanted.selection)
        survey = InventorySurvey(
            client=client,
            vault=vault,
            ledger=ledger,
            wanted=wanted,
            run=number,
            warn=lambda line, job: messages.warn(line, job=job),
        )
        run = InventoryRun(
            survey=survey,
            check=lambda loads: check_cost(cap, prices, loads, inside=True),
            watch=watch,
            price=prices.estimate([Load(INVENTORY, 1, 0, 1)], inside=True),
        )
        standing = survey.needed()
        count, job, lost = survey.jobs(standing), standing.job, standing.lost
        cost = _show_plan(vault, prices, count, standing, messages)
        if flags["dry_run"]:
            return Status.DONE
        verdict = _refusal(survey, cost, count, lost, flags) if count else None
        try:
            if verdict is None:
                again = None if lost is None else lost.number
                verdict = run.bring(flags["wait"], count, again)
                if flags["wait"] and last:
                    _tell_end(last[-1], verdict, flags, messages)
        finally:
            found = job.id if job else None
            messages.facts("summary", jobs=count, started=seen["started"], job=found)
    if verdict.status is not Status.DONE:
        messages.facts("exit_error", code=int(verdict.status), message=verdict.reason)
        messages.complain(verdict.reason)
    elif verdict.status is Status.DONE:
        when = "now" if "readable" in seen else "when it is done,"
        messages.text(f"{when} run: casfs catalog refresh {vault.name}")
    return verdict.status


def _refusal(
    survey: InventorySurvey,
    cost: Estimate,
    count: int,
    lost: Request | None,
    flags: Mapping[str, Any],
) -> Verdict | None:
    """Return how the command ends before anything is sent, None if the user agrees."""
    reason = too_many(survey.room, count)
    if reason is not None:
        return Verdict(Status.NOT_STARTED, reason)
    asks = not flags["yes"] and sys.stdin.isatty()
    if lost is not None and not (
        flags["rerequest"] == "yes" or (flags["rerequest"] == "ask" and asks)
    ):
        return Verdict(Status.NOT_STARTED, f"nothing was sent: {lost_text(lost)}")
    is_new = lost is None or flags["rerequest"] == "yes"
    if survey.is_uncertain() or flags["yes"] or (cost.is_free and is_new):
        return None
    if not sys.stdin.isatty():
        return Verdict(
            Status.NOT_STARTED, "nothing was sent: no terminal to ask on; -y agrees to the plan"
        )
    jobs = "1 job" if count == 1 else f"{count:,} jobs"
    if confirm(f"start {jobs}? They cannot be canceled."):
        return None
    return Verdict(Status.NOT_STARTED, "nothing was sent")


def _show_plan(
    vault: Vault, prices: Prices, count: int, standing: InventoryStanding, messages: Messages
) -> Estimate:
    cost = prices.estimate([Load(INVENTORY, count, 0, count)], inside=True)
    archives = "unknown" if vault.archives is None else f"{vault.archives:,}"
    messages.text(f"{vault.name}: inventory, archives at the last one: {archives}")
    job = standing.job
    is_running = job is not None and job.state is JobState.RUNNING
    if is_running and job is not None:
        messages.text(f"  running already job {job.id}")
    if standing.lost is not None:
        messages.text(f"  {lost_text(standing.lost)}")
    what = " that continue it" if count and is_running else ""
    messages.text(f"  to be requested {count:,} {'job' if count == 1 else 'jobs'}{what}")
    if count:
        when = f"prices of {prices.date}" if prices.date else "prices without a date"
        if cost.currency is None:
            when = "no prices are known"
        messages.text(f"estimate ({when})   requests {amount_text(cost.requests, cost.currency)}")
    messages.facts(
        "plan",
        jobs=count,
        tier=None,
        estimate={
            "prices_of": prices.date.isoformat() if prices.date else None,
            "currency": cost.currency,
            "requests": None if cost.requests is None else f"{cost.requests.normalize():f}",
            "total": None if cost.total is None else f"{cost.total.normalize():f}",
        },
    )
    return cost


def _tell(state: str, job: str | None, messages: Messages) -> None:
    messages.facts("request", state=state, archive=None, job=job)
    if state == "uncertain":
        messages.text("a request has no answer; nothing is sent twice")
    elif job is not None:
        messages.text(f"inventory job {job} {_STATES[state]}")


def _tell_end(job: str, verdict: Verdict, flags: Mapping[str, Any], messages: Messages) -> None:
    """Tell that the job that was waited for has ended, and run the user's command for that."""
    if verdict.status not in (Status.DONE, Status.FAILED):
        return
    message = messages.lines.show(
        "archive",
        job=job,
        kind="inventory",
        archive=None,
        path=None,
        tier=None,
        state="readable" if verdict.status is Status.DONE else "failed",
        reason=verdict.reason or None,
        expires=None,
    )
    if flags["on_event"] is not None:
        EventCommand(flags["on_event"], messages.warn, flags["event_timeout"]).run(line(message))


_STATES = {
    "started": "was started",
    "running": "is running",
    "readable": "is done",
}


def _date(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--{name} must be a date such as 2026-11-20, not {text!r}") from None
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
