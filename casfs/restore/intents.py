"""Commits what is about to be requested, in one transaction with the checks that allow it."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from casfs.ledger.request import (
    COLUMNS,
    TO_THE_END,
    Request,
    RequestState,
    from_row,
    last_byte,
    to_column,
    to_microseconds,
)
from casfs.restore.clock import Moment, now
from casfs.restore.ledger_file import LedgerFile
from casfs.restore.prices import Load, load_of

EXPIRES_TOO_SOON = "it expires before it can be fetched"


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be requested.

    Attributes:
        kind: `archive` or `inventory`.
        archive: id of the archive; of an inventory, what distinguishes it from others.
        first: first byte.
        last: last byte, or `TO_THE_END`.
        size: bytes, None if unknown.
        cost: estimated price of retrieval and requests, None if unknown.
        currency: of `cost`.
    """

    kind: str
    archive: str
    first: int
    last: int
    size: int | None
    cost: Decimal | None = None
    currency: str | None = None


Check = Callable[[list[Load]], None]
"""Raises if what a restore would have requested is too much."""


@dataclass(frozen=True, slots=True)
class IntentTerms:
    """What is common to the intents of a command.

    Attributes:
        run: the restore that they belong to.
        tier: at which they are requested.
        check: is called, in the transaction, with what the restore has requested with this.
    """

    run: str
    tier: str
    check: Check


def commit_intent(
    file: LedgerFile,
    whose: tuple[str, str | bytes],
    intent: Intent,
    terms: IntentTerms,
    replaced: Sequence[int],
) -> Request | None:
    """Commit an intent; when this returns, it is on the disk.

    Args:
        file: the ledger.
        whose: account and vault, as columns.
        intent: what will be requested.
        terms: what it has in common with others.
        replaced: numbers of requests whose outputs expire too soon to be fetched, which this one
            replaces: they are marked as expired in the same transaction.

    Returns:
        The request, None if the same, or more of the archive, is requested already.

    Raises:
        LedgerError: the file fails: nothing may be sent.
        Exception: what the check raises; nothing is committed then.
    """
    values: dict[str, Any] = {
        "account": whose[0],
        "vault": whose[1],
        "kind": intent.kind,
        "archive": to_column(intent.archive),
        "first": intent.first,
        "last": intent.last,
        "size": intent.size,
        "tier": terms.tier,
        "token": f"casfs-{secrets.token_hex(8)}",
        "state": RequestState.INTENDED.value,
        "run": terms.run,
        "owner": file.owner,
        "cost": None if intent.cost is None else str(intent.cost),
        "currency": intent.currency,
        "gets": load_of(terms.tier, intent.size).gets,
    }
    end = last_byte(intent.first, intent.last, intent.size)
    with file.transaction() as connection:
        covering = connection.execute(_COVERING, values | {"end": end})
        if any(number not in replaced for (number,) in covering):
            return None
        connection.executemany(_EXPIRE, [(EXPIRES_TOO_SOON, number) for number in replaced])
        # Others may have had the file for long.
        values |= stamp(now())
        marks = ", ".join(f":{name}" for name in values)
        insert = f"INSERT INTO requests ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 - constants
        number = connection.execute(insert, values).lastrowid
        terms.check([Load(*row) for row in connection.execute(TOTALS, (terms.run,))])
        rows = connection.execute(f"{SELECT} WHERE number = ?", (number,)).fetchall()
    return file.read(from_row, rows)[0]


def stamp(moment: Moment) -> dict[str, Any]:
    """Return a moment as columns."""
    time = to_microseconds(moment.time)
    return {"intended": time, "boot": moment.boot, "uptime": moment.uptime}


TOTALS = "SELECT tier, jobs, iif(unsized, NULL, bytes), gets FROM totals WHERE run = ?"
"""What a restore has requested, refusals aside, as `Load` takes it."""
SELECT = f"SELECT {COLUMNS} FROM requests"  # noqa: S608 - constants
"""The rows of requests, as `from_row` takes them."""
_COVERING = f"""SELECT number FROM requests WHERE account = :account AND vault = :vault
    AND archive = :archive AND kind = :kind AND final = 0 AND first <= :first
    AND (last = {TO_THE_END} OR last >= :end)"""  # noqa: S608 - a constant
_EXPIRE = """UPDATE requests SET state = 'expired', final = 1, reason = ?
    WHERE number = ? AND final = 0"""
