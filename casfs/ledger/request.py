"""A request for a job, as the ledger remembers it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from casfs.model import Vault
from casfs.reasons import reason

TO_THE_END = -1
"""Stands for the last byte of a whole archive, whether its size is known or not: so it is the same
request before the archive is cataloged and after. Also that of an inventory."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OWNER = 2
"""Position in `Service.origin` of whose vaults they are."""


class RequestState(Enum):
    """What became of a request.

    Attributes:
        is_final: whether nothing more can come of it, so that the same may be requested again.
    """

    INTENDED = "intended"
    """Committed; it is about to be sent, or was, and the answer is not recorded."""
    UNCERTAIN = "uncertain"
    """Sent, and nobody knows whether the service accepted it."""
    STARTED = "started"
    READABLE = "readable"
    VERIFIED = "verified"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUSED = "refused"
    """The service did not accept it: it costs nothing."""
    UNKNOWN = "unknown"
    """A later version of casfs knows what this is."""

    @property
    def is_final(self) -> bool:  # noqa: D102 - as above
        return self in _FINAL

    @classmethod
    def _missing_(cls, value: object) -> "RequestState":
        del value
        return cls.UNKNOWN


_FINAL = frozenset(
    {RequestState.VERIFIED, RequestState.FAILED, RequestState.EXPIRED, RequestState.REFUSED}
)


@dataclass(frozen=True, slots=True)
class Request:
    """A row of the ledger; times are UTC, sizes bytes, None is unknown.

    Attributes:
        number: identifies the row.
        kind: `archive` or `inventory`.
        archive: id of the archive; of an inventory, what distinguishes it from others.
        first: first byte of the archive that is wanted.
        last: last byte, or `TO_THE_END`.
        size: bytes that the output will have.
        tier: as the user knows it: `standard`, ...; "" where there is none.
        token: what the job's description contains.
        run: identifies the restore that it belongs to.
        owner: number of the process that sent it.
        intended: when it was committed.
        answered: when the service's answer was recorded.
        job: id of the job, once that is known.
        reason: why it failed, or was refused.
        cost: estimated price of retrieval and requests, without traffic.
        currency: of `cost`.
        boot: identifies the boot of the machine on which it was committed.
        uptime: seconds since that boot.
    """

    number: int
    vault: str
    kind: str
    archive: str
    first: int
    last: int
    size: int | None
    tier: str
    token: str
    state: RequestState
    run: str
    owner: int
    intended: datetime
    answered: datetime | None
    job: str | None
    reason: str | None
    cost: Decimal | None
    currency: str | None
    boot: str
    uptime: float

    def covers(self, first: int, last: int, size: int | None) -> bool:
        """Return whether it asks for a range of its archive, as `covers` does."""
        return covers((self.first, self.last), first, last, size)


def covers(held: tuple[int, int], first: int, last: int, size: int | None) -> bool:
    """Return whether a range of an archive contains another one of it.

    Args:
        held: first and last byte of the range, or `TO_THE_END`.
        first: first byte of the other one.
        last: last byte, or `TO_THE_END`.
        size: bytes of the other one, None if unknown.
    """
    if held[0] > first:
        return False
    if held[1] == TO_THE_END:
        return True
    end = last_byte(first, last, size)
    return end is not None and held[1] >= end


def last_byte(first: int, last: int, size: int | None) -> int | None:
    """Return the last byte of a range that may be `TO_THE_END`, None if that is unknown."""
    if last != TO_THE_END:
        return last
    return first + size - 1 if size else None


COLUMNS = (
    "number, vault, kind, archive, first, last, size, tier, token, state, run, owner, intended, "
    "answered, job, reason, cost, currency, boot, uptime"
)
"""Columns of the ledger's table, in the order in which `from_row` takes them."""


def from_row(row: Sequence[Any]) -> Request:
    """Return the request of a row with `COLUMNS`.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return _from_row(row)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"the row of request {row[0]}: {reason(error)}") from error


def _from_row(row: Sequence[Any]) -> Request:
    (number, vault, kind, archive, first, last, size, tier, token, state, run, owner) = row[:12]
    (intended, answered, job, reason, cost, currency, boot, uptime) = row[12:]
    return Request(
        number=int(number),
        vault=to_text(vault),
        kind=kind,
        archive=to_text(archive),
        first=int(first),
        last=int(last),
        size=None if size is None else int(size),
        tier=tier,
        token=_text(token),
        state=RequestState(state),
        run=run,
        owner=int(owner),
        intended=to_time(intended),
        answered=None if answered is None else to_time(answered),
        job=None if job is None else to_text(job),
        reason=None if reason is None else to_text(reason),
        cost=None if cost is None else Decimal(cost),
        currency=currency,
        boot=boot,
        uptime=float(uptime),
    )


def account_key(origin: Sequence[str], vault: Vault) -> str:
    """Return what identifies the account of a vault in the ledger.

    Args:
        origin: `Service.origin`.
        vault: names the number of its account, which counts for more than the key: temporary keys
            change.
    """
    parts = list(origin)
    if vault.account is not None:
        parts[_OWNER] = f"account {vault.account}"
    return json.dumps(parts)


def _text(column: object) -> str:
    if not isinstance(column, str):
        raise TypeError(f"{column!r} is not text")
    return column


def to_column(text: str) -> str | bytes:
    """Return text as a column can hold it: as bytes if it contains a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def to_text(column: str | bytes) -> str:
    """Return the text from which `to_column` made a column."""
    return column.decode("utf-8", "surrogatepass") if isinstance(column, bytes) else column


def to_time(microseconds: int) -> datetime:
    """Return the time of `to_microseconds`, UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(time: datetime) -> int:
    """Return a time in microseconds since 1970."""
    return (time - _EPOCH) // timedelta(microseconds=1)
