"""What `casfs fetch` would do: what is missing, whether it fits, and whether it comes in time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from casfs.at_risk import Due, Outlook, outlook
from casfs.client import Client, FetchableOutput, Unreadable
from casfs.errors import CasfsError
from casfs.ledger.measured_rate import MeasuredRate, recorded_rate
from casfs.model import later
from casfs.reasons import reason

_NEVER = datetime.max.replace(tzinfo=UTC)

_KEYS: dict[str, Callable[[FetchableOutput], tuple[Any, ...]]] = {
    "expiry": lambda item: (item.expires or _NEVER, item.missing, item.name),
    "size": lambda item: (item.missing, item.expires or _NEVER, item.name),
    "name": lambda item: (item.name,),
}
ORDERS = tuple(_KEYS)
"""What may come first: the soonest expiry, the smallest, the first name."""


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """What is to be fetched.

    Attributes:
        vault: name of the vault.
        wanted: jobs, and patterns of archives.
        everything: all that can be read.
        expiring_within: only what expires within so many seconds, None for any time.
        order: one of `ORDERS`.
        partial: fetch what fits, rather than nothing, where the cache cannot hold all.
    """

    vault: str
    wanted: Sequence[str] = ()
    everything: bool = False
    expiring_within: float | None = None
    order: str = "expiry"
    partial: bool = False


@dataclass(frozen=True, slots=True)
class NoRoom:
    """A cache that cannot hold what is to be fetched; sizes are bytes.

    Attributes:
        missing: what is to be fetched.
        limit: what the cache may hold in all.
        within: what it may take before something is evicted.
        on_disk: what it may take of its disk.
    """

    missing: int
    limit: int
    within: int
    on_disk: int


@dataclass
class FetchPlan:
    """What is to be fetched, and what is not.

    Attributes:
        vault: name of the vault.
        account: identifies the account, as the record of rates has it.
        now: when the plan was made, by the service's clock.
        items: what is to be fetched.
        cached: what the cache has already.
        unreadable: what cannot be read now.
        too_large: what the cache cannot hold, and is left out.
        no_room: what the cache can take, where that is too little and nothing is fetched.
        known_rate: at which outputs were fetched last.
    """

    vault: str
    account: str
    now: datetime
    items: list[FetchableOutput] = field(default_factory=list)
    cached: list[FetchableOutput] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    too_large: list[FetchableOutput] = field(default_factory=list)
    no_room: NoRoom | None = None
    known_rate: MeasuredRate | None = None

    @property
    def missing(self) -> int:
        """Return the bytes that are to be fetched."""
        return sum(item.missing for item in self.items)

    @property
    def soonest_expiry(self) -> datetime | None:
        """Return when the first of what is to be fetched expires."""
        return min((item.expires for item in self.items if item.expires), default=None)

    def outlook(self, rate: float) -> Outlook:
        """Return what becomes of what is to be fetched at a rate."""
        return outlook((Due(item.expires, item.missing) for item in self.items), rate, self.now)


def in_order(items: Iterable[FetchableOutput], order: str) -> list[FetchableOutput]:
    """Return outputs in one of `ORDERS`."""
    return sorted(items, key=_KEYS[order])


def make_plan(client: Client, options: FetchOptions) -> FetchPlan:
    """Find out what there is to fetch.

    The service is asked for the jobs of the vault; where it does not answer, the known ones count.

    Raises:
        NotFoundError: there is no such vault, job or archive.
        CasfsError: the service refuses us, or the catalog cannot be read.
    """
    client.ask(options.vault)
    vault = client.retrievals.vault(options.vault)
    plan = FetchPlan(vault.name, client.retrievals.account_key(vault), client.retrievals.now())
    latest = None
    if options.expiring_within is not None:
        latest = later(plan.now, timedelta(seconds=options.expiring_within))
    for one in _found(client, options, vault.name):
        if isinstance(one, Unreadable):
            plan.unreadable.append(one)
        elif latest is not None and (one.expires is None or one.expires > latest):
            continue
        elif one.missing or not one.size:
            plan.items.append(one)
        else:
            plan.cached.append(one)
    if plan.items:
        _fit(client, plan, options)
    plan.known_rate = recorded_rate(client.config.state_dir, plan.account)
    return plan


def _found(
    client: Client, options: FetchOptions, vault: str
) -> Iterator[FetchableOutput | Unreadable]:
    if options.wanted:
        return client.fetchable.selected(vault, options.wanted)
    return client.fetchable.all(vault)


def _fit(client: Client, plan: FetchPlan, options: FetchOptions) -> None:
    """Leave out what the cache cannot hold, or refuse all of it.

    Nothing is evicted for what is fetched: that may be all that is left of another output.

    Raises:
        CasfsError: the cache cannot be looked at.
    """
    try:
        room = client.fetchable.filler.room()
    except OSError as error:
        raise CasfsError(
            f"cannot look at the cache in {client.config.cache_dir}: {reason(error)}"
        ) from error
    left = max(0, min(room.within, room.on_disk))
    if plan.missing <= left:
        return
    if not options.partial:
        plan.no_room = NoRoom(plan.missing, room.limit, room.within, room.on_disk)
        return
    fitting = []
    for item in in_order(plan.items, options.order):
        if item.missing <= left:
            left -= item.missing
            fitting.append(item)
        else:
            plan.too_large.append(item)
    plan.items = fitting
