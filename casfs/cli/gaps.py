"""What a listing of a vault does not show, in words and as facts."""

from typing import TYPE_CHECKING

from casfs.cli.show import say

if TYPE_CHECKING:
    from casfs.client import Coverage


def tell_gaps(vault: str, coverage: "Coverage") -> None:
    """Print to standard error which archives a listing cannot show, one line per reason."""
    for line in _lines(vault, coverage):
        say(f"casfs: {line}", err=True)


def tell_nothing(vault: str, coverage: "Coverage", otherwise: str) -> None:
    """Say on standard error why a listing is empty.

    Args:
        vault: its vault.
        coverage: how much of the vault is cataloged.
        otherwise: what to say if something is cataloged.
    """
    if coverage.missing != 0:
        # `tell_gaps` says so, and has a number.
        return
    advice = _advice(vault, coverage)
    if coverage.waiting:
        say(f"casfs: the catalog of vault {vault} lacks inventories; {advice}", err=True)
    elif coverage.cataloged:
        say(f"casfs: {otherwise}", err=True)
    else:
        say(f"casfs: the catalog of vault {vault} is empty; {advice}", err=True)


def gap_facts(vault: str, coverage: "Coverage") -> list[dict[str, object]]:
    """Return the same for programs, as entries that follow those of a listing."""
    facts: list[dict[str, object]] = []
    if coverage.missing != 0:
        facts.append({"path": None, "kind": "missing", "vault": vault, **_counts(coverage)})
    for job, records in coverage.unread:
        unread = {"path": None, "kind": "unreadable", "vault": vault, "job": job}
        facts.append({**unread, "records": records})
    return facts


def coverage_facts(coverage: "Coverage") -> dict[str, object]:
    """Return how much of a vault is cataloged, for programs."""
    unread = [{"job": job, "records": records} for job, records in coverage.unread]
    return {**_counts(coverage), "unreadable": unread}


def unread_text(count: int, job: str) -> str:
    """Return how many records of an inventory cannot be read, in words."""
    records = "1 record" if count == 1 else f"{count} records"
    return f"{records} of inventory {job} could not be read"


def _counts(coverage: "Coverage") -> dict[str, object]:
    return {
        "archives": coverage.archives,
        "catalogued": coverage.cataloged,
        "missing": coverage.missing,
        "job": coverage.job,
        "marker": coverage.marker,
    }


def _lines(vault: str, coverage: "Coverage") -> list[str]:
    lines = []
    if coverage.missing != 0:
        lines.append(f"{_missing(vault, coverage)}; {_advice(vault, coverage)}")
    return lines + [unread_text(count, job) for job, count in coverage.unread]


def _missing(vault: str, coverage: "Coverage") -> str:
    if coverage.missing is None:
        return f"archives of vault {vault} may be missing here"
    verb = "is" if coverage.missing == 1 else "are"
    return (
        f"{coverage.missing} of the {coverage.archives} archives of vault {vault} {verb} missing "
        "here: no cataloged inventory lists them"
    )


def _advice(vault: str, coverage: "Coverage") -> str:
    refresh = f"casfs catalog refresh {vault}"
    if coverage.waiting:
        return f"run: {refresh}"
    if coverage.marker is None:
        return f"run: casfs request {vault} --inventory, and when that is done: {refresh}"
    return (
        f"inventory {coverage.job} continues at marker {coverage.marker}; "
        f"run: casfs request {vault} --inventory, and when that is done: {refresh}"
    )
