"""What jobs and their outputs cost, by tier and part."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from ipaddress import IPv4Network

from casfs.restore.amounts import EXACT, Estimate

GIGABYTE = 1 << 30
GET_SIZE = 8 << 20
"""Bytes that a GET fetches, for the estimate of their number."""
INVENTORY = "inventory"
"""Stands for the tier of an inventory job."""


@dataclass(frozen=True, slots=True)
class Load:
    """Jobs of a tier, and what they bring.

    Attributes:
        tier: `standard`, ..., or `INVENTORY`.
        bytes: of their outputs, None if the size of one is unknown.
        gets: requests that read their outputs.
    """

    tier: str
    jobs: int = 0
    bytes: int | None = 0
    gets: int = 0

    def plus(self, other: "Load") -> "Load":
        """Add jobs of the same tier."""
        unknown = self.bytes is None or other.bytes is None
        size = None if unknown else (self.bytes or 0) + (other.bytes or 0)
        return Load(self.tier, self.jobs + other.jobs, size, self.gets + other.gets)


def load_of(tier: str, size: int | None) -> Load:
    """Return what one job is that brings `size` bytes, None if that is unknown."""
    if tier == INVENTORY:
        return Load(tier, 1, 0, 1)
    return Load(tier, 1, size, -(-size // GET_SIZE) if size is not None else 1)


def added(loads: Iterable[Load]) -> list[Load]:
    """Return loads with those of one tier added up."""
    by_tier: dict[str, Load] = {}
    for load in loads:
        known = by_tier.get(load.tier)
        by_tier[load.tier] = load if known is None else known.plus(load)
    return list(by_tier.values())


@dataclass(frozen=True)
class Prices:
    """The prices of a service in a region; a missing one is unknown.

    Attributes:
        date: when they were read, None if that is not known.
        currency: of all of them, None if there are none.
        note: what a plan must say about them.
        by_tier: `retrieval_per_gb` and `jobs_per_1000`, each by tier.
        single: `inventories_per_1000`, `gets_per_10000`, `traffic_free_gb`.
        traffic_per_gb: price and the gigabytes up to which it applies, None for no limit.
        inside: networks in which the endpoint is if this machine is in the service's region.
    """

    date: datetime.date | None = None
    currency: str | None = None
    note: str = ""
    by_tier: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    single: Mapping[str, Decimal] = field(default_factory=dict)
    traffic_per_gb: tuple[tuple[Decimal, Decimal | None], ...] | None = None
    inside: tuple[IPv4Network, ...] = ()

    def estimate(self, loads: Iterable[Load], inside: bool) -> Estimate:
        """Return what jobs cost in a month in which there are no others.

        Args:
            loads: the jobs.
            inside: whether this machine is in the service's region, where traffic costs nothing.
        """
        loads = added(loads)
        with localcontext(EXACT):
            return Estimate(
                self.currency,
                _total(self._retrieval(load) for load in loads),
                self._traffic(loads, inside),
                _total(self._requests(load) for load in loads),
            )

    def _retrieval(self, load: Load) -> Decimal | None:
        if load.tier == INVENTORY:
            return Decimal(0)
        price = self.by_tier.get("retrieval_per_gb", {}).get(load.tier)
        if price is None or load.bytes is None:
            return None
        return price * load.bytes / GIGABYTE

    def _requests(self, load: Load) -> Decimal | None:
        if load.tier == INVENTORY:
            job = self.single.get("inventories_per_1000")
        else:
            job = self.by_tier.get("jobs_per_1000", {}).get(load.tier)
        get = self.single.get("gets_per_10000")
        if job is None or get is None:
            return None
        return job * load.jobs / 1000 + get * load.gets / 10_000

    def _traffic(self, loads: Sequence[Load], inside: bool) -> Decimal | None:
        if inside:
            return Decimal(0)
        # An inventory is small beside archives, and its size is not known before.
        sizes = [load.bytes for load in loads]
        if self.traffic_per_gb is None or None in sizes:
            return None
        left = Decimal(sum(size or 0 for size in sizes)) / GIGABYTE
        left = max(Decimal(0), left - self.single.get("traffic_free_gb", Decimal(0)))
        cost = below = Decimal(0)
        for price, limit in self.traffic_per_gb:
            part = left if limit is None else min(left, limit - below)
            cost += price * part
            left -= part
            below = below if limit is None else limit
        return cost


def _total(parts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for part in parts:
        if part is None:
            return None
        total += part
    return total
