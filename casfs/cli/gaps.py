"""What a listing of a vault does not show, in words and as facts."""

import shlex
from typing import TYPE_CHECKING

from casfs.cli.show import say

if TYPE_CHECKING:
    from casfs.client import Completeness


def tell_gaps(vault: str, completeness: "Completeness") -> None:
    """Print to standard error which archives a listing cannot show, one line per reason."""
    for line in _lines(vault, completeness):
        say(f"casfs: {line}", err=True)


def tell_nothing(vault: str, completeness: "Completeness", otherwise: str) -> None:
    """Say on standard error why a listing is empty.

    Args:
        vault: its vault.
        completeness: how much of the vault is cataloged.
        otherwise: what to say if something is cataloged.
    """
    if completeness.missing != 0:
        # `tell_gaps` says so, and has a number.
        return
    advice = _advice(vault, completeness)
    if completeness.waiting:
        say(f"casfs: the catalog of vault {vault} lacks inventories; {advice}", err=True)
    elif completeness.cataloged:
        say(f"casfs: {otherwise}", err=True)
    else:
        say(f"casfs: the catalog of vault {vault} is empty; {advice}", err=True)


def gap_facts(vault: str, completeness: "Completeness") -> list[dict[str, object]]:
    """Return the same for programs, as entries that follow those of a listing."""
    facts: list[dict[str, object]] = []
    if completeness.missing != 0:
        facts.append({"path": None, "kind": "missing", "vault": vault, **_counts(completeness)})
    for job, records in completeness.unread:
        unread = {"path": None, "kind": "unreadable", "vault": vault, "job": job}
        facts.append({**unread, "records": records})
    return facts


def completeness_facts(completeness: "Completeness") -> dict[str, object]:
    """Return how much of a vault is cataloged, for programs."""
    unread = [{"job": job, "records": records} for job, records in completeness.unread]
    return {**_counts(completeness), "unreadable": unread}


def unread_text(count: int, job: str) -> str:
    """Return how many records of an inventory cannot be read, in words."""
    records = "1 record" if count == 1 else f"{count} records"
    return f"{records} of inventory {job} could not be read"


def _counts(completeness: "Completeness") -> dict[str, object]:
    return {
        "archives": completeness.archives,
        "catalogued": completeness.cataloged,
        "missing": completeness.missing,
        "job": completeness.job,
        "marker": completeness.marker,
    }


def _lines(vault: str, completeness: "Completeness") -> list[str]:
    lines = []
    if completeness.missing != 0:
        lines.append(f"{_missing(vault, completeness)}; {_advice(vault, completeness)}")
    return lines + [unread_text(count, job) for job, count in completeness.unread]


def _missing(vault: str, completeness: "Completeness") -> str:
    if completeness.missing is None:
        return f"archives of vault {vault} may be missing here"
    verb = "is" if completeness.missing == 1 else "are"
    return (
        f"{completeness.missing} of the {completeness.archives} archives of vault {vault} {verb} "
        "missing here: no cataloged inventory lists them"
    )


def _advice(vault: str, completeness: "Completeness") -> str:
    name = shlex.quote(vault)
    refresh = f"casfs catalog refresh {name}"
    if completeness.waiting:
        return f"run: {refresh}"
    if completeness.marker is None:
        return f"run: casfs request {name} --inventory, and when that is done: {refresh}"
    return (
        f"inventory {completeness.job} continues at marker {completeness.marker}; "
        f"run: casfs request {name} --inventory, and when that is done: {refresh}"
    )
