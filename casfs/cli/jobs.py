"""`casfs jobs`: the jobs of a vault by the time that is left for their outputs."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from casfs.cli import exit_status
from casfs.cli.asking import Asked, asked
from casfs.cli.completion import complete_vault
from casfs.cli.durations import DurationType
from casfs.cli.options import IdentifierCommand, account_options, open_client
from casfs.cli.show import brief_time, local_text, show_json, size_text, span_text, time_text
from casfs.cli.tables import Column, is_brief, long_option, show_table
from casfs.ledger.request import Request
from casfs.model import JobKind, JobState

if TYPE_CHECKING:
    from casfs.client import JobEntry

_STATES = ("running", "succeeded", "failed", "readable", "expiring", "expired")
_LAST = datetime.max.replace(tzinfo=UTC)


@click.command(
    "jobs",
    cls=IdentifierCommand,
)
@click.argument("vault", shell_complete=complete_vault)
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Only jobs in this state; may be repeated. A job that succeeded is readable, expiring "
    "(soon: see the setting expiring_within) or expired.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice([kind.value for kind in JobKind]),
    multiple=True,
    help="Only jobs that retrieve this; may be repeated.",
)
@click.option(
    "--expiring-within",
    type=DurationType(),
    help="Only jobs whose output expires within this time, such as 6h; exit with 5 if there are "
    "any.",
)
@long_option
@account_options
def jobs_command(  # noqa: PLR0913 (its options)
    vault: str,
    states: tuple[str, ...],
    kinds: tuple[str, ...],
    expiring_within: float | None,
    is_long: bool,
    profile: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """List the jobs of a vault, sorted by the time that is left for their outputs.

    Outputs that expire first come first, then jobs that are running, have failed or have expired.

    Exits with 5 if --expiring-within found some, for cron.
    """
    with open_client(profile, flags) as client:
        answer = asked(client, vault)
        clock = _Clock(client.retrievals.now(), client.config.expiring_within)
        wanted = _Wanted(frozenset(states), frozenset(kinds), expiring_within, clock)
        jobs = sorted(filter(wanted.includes, client.job_list.entries(vault)), key=clock.order)
        requests = client.archives.requests(vault)
    if as_json:
        _show_json(jobs, requests, answer)
    else:
        _show(jobs, requests, clock, is_long)
    answer.finish()
    if expiring_within is not None and jobs:
        sys.exit(exit_status.EXPIRING)


@dataclass(frozen=True)
class _Clock:
    """What the time makes of jobs.

    Attributes:
        now: by the service's clock, UTC.
        soon: seconds before its expiry from which on an output is expiring.
    """

    now: datetime
    soon: float

    def left(self, entry: "JobEntry") -> timedelta | None:
        """Return how long the service still has an output; None if it has none, or nobody knows."""
        expires = _expires(entry)
        return None if expires is None else expires - self.now

    def states(self, entry: "JobEntry") -> set[str]:
        """Return the states in which a job is."""
        found = {entry.job.state.value}
        if not entry.job.readable:
            return found
        left = self.left(entry)
        is_there = left.total_seconds() > 0 if left is not None else not entry.retained
        if not is_there:
            return found | {"expired"}
        if left is not None and left.total_seconds() < self.soon:
            found.add("expiring")
        return found | {"readable"}

    def order(self, entry: "JobEntry") -> tuple[int, datetime, str, str]:
        """Return what sorts jobs by the time that is left."""
        states, job = self.states(entry), entry.job
        if "readable" in states:
            return 0, _expires(entry) or _LAST, entry.path or "", job.id
        if job.state is JobState.RUNNING:
            return 1, _ready(entry) or _LAST, entry.path or "", job.id
        rank = 2 if job.state is JobState.FAILED else 3
        return rank, job.completed or _LAST, entry.path or "", job.id


@dataclass(frozen=True)
class _Wanted:
    """Which jobs are to be listed; an empty set is all of them."""

    states: frozenset[str]
    kinds: frozenset[str]
    expiring_within: float | None
    clock: _Clock

    def includes(self, entry: "JobEntry") -> bool:
        """Return whether a job is to be listed."""
        states = self.clock.states(entry)
        if self.states and not self.states & states:
            return False
        if self.kinds and entry.job.kind.value not in self.kinds:
            return False
        if self.expiring_within is None:
            return True
        left = self.clock.left(entry)
        return (
            "readable" in states
            and left is not None
            and left.total_seconds() <= self.expiring_within
        )


def _expires(entry: "JobEntry") -> datetime | None:
    return entry.job.expires if entry.job.readable and not entry.retained else None


def _ready(entry: "JobEntry") -> datetime | None:
    """Return by when a running job is usually done."""
    return entry.job.ready if entry.job.state is JobState.RUNNING else None


def _show_json(jobs: Sequence["JobEntry"], requests: Mapping[str, Request], answer: Asked) -> None:
    # Imported here: no command needs the catalog for its `--help`.
    from casfs.cli.archive_rows import request_facts

    facts = []
    for entry in jobs:
        job, request = entry.job, requests.get(entry.job.id)
        expires = _expires(entry)
        own: dict[str, object] = {
            "state": job.state.value,
            "expires": expires.isoformat() if expires else None,
            "path": entry.path,
            "cached": entry.cached if job.readable else None,
            "verified": entry.verified,
        }
        if request is not None:
            own["request"] = request_facts(request)
        facts.append(json.loads(job.raw) | own | answer.stale)
    show_json(facts)


def _show(
    jobs: Sequence["JobEntry"], requests: Mapping[str, Request], clock: _Clock, is_long: bool
) -> None:
    from casfs.cli.archive_rows import cost_text

    is_narrow = is_brief(is_long)
    brief: list[tuple[Column, Callable[[JobEntry], str]]] = [
        (Column("name", folds=True), _name),
        (Column("kind", rank=3), lambda entry: entry.job.kind.value),
        (Column("state"), lambda entry: entry.job.state.value),
        (Column("left"), lambda entry: _left_text(entry, clock, is_narrow)),
        (Column("size", rank=2), lambda entry: size_text(entry.size)),
        (Column("cached", rank=1), _cached_text),
    ]
    long: list[tuple[Column, Callable[[JobEntry], str]]] = [
        (Column("verified"), lambda entry: entry.verified or "-"),
        (Column("completed"), lambda entry: time_text(entry.job.completed)),
        (Column("expires"), lambda entry: time_text(_expires(entry))),
    ]
    columns = brief if is_narrow else brief + long
    if any(entry.job.id in requests for entry in jobs):
        columns += [
            (Column("requested", rank=5), lambda entry: _requested(requests.get(entry.job.id))),
            (Column("cost", rank=4), lambda entry: cost_text(requests.get(entry.job.id))),
        ]
    columns.append((Column("job", is_id=True), lambda entry: entry.job.id))
    rows = [[text(entry) for _, text in columns] for entry in jobs]
    show_table([column for column, _ in columns], rows, _totals(jobs, clock), is_long)


def _name(entry: "JobEntry") -> str:
    return entry.path or entry.job.description or f"({entry.job.kind.value})"


def _requested(request: Request | None) -> str:
    return local_text(request.intended) if request else "-"


def _left_text(entry: "JobEntry", clock: _Clock, is_narrow: bool) -> str:
    """Return how long an output can be read, or by when a job is usually done."""
    if (ready := _ready(entry)) is not None:
        return f"by {brief_time(ready) if is_narrow else local_text(ready)}"
    if "expired" in clock.states(entry):
        return "expired"
    left = clock.left(entry)
    return "-" if left is None else span_text(left)


def _cached_text(entry: "JobEntry") -> str:
    if not entry.cached or not entry.size:
        return "-"
    if entry.cached >= entry.size:
        return "all"
    return f"{min(99, 100 * entry.cached // entry.size)}%"


def _totals(jobs: Sequence["JobEntry"], clock: _Clock) -> str:
    """Return a line about all jobs: how many, how large, what is cached, what expires first."""
    states = [clock.states(entry) for entry in jobs]
    names = ("readable", "running", "failed", "expired")
    counts = {name: sum(name in found for found in states) for name in names}
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    there = [entry for entry, found in zip(jobs, states, strict=True) if "readable" in found]
    text = f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}"
    text += f": {', '.join(parts)}" if parts else ""
    if there:
        size = sum(entry.size or 0 for entry in there)
        text += f"; {size_text(size)} readable, "
        text += f"{size_text(sum(entry.cached for entry in there))} of it cached"
    lefts = [left for entry in there if (left := clock.left(entry)) is not None]
    return text + (f"; the first expires in {span_text(min(lefts))}" if lefts else "")
