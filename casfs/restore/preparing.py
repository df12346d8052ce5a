"""Finds out what must be requested, and at what price; nothing is sent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from casfs.client import Available, Client, Completeness, Selected
from casfs.errors import CacheError, ConfigError, NotFoundError
from casfs.job_requests import JobFeatures, RetrievalPolicy, Tier
from casfs.ledger.measured_rate import recorded_rate
from casfs.ledger.request import TO_THE_END, Request, RequestState
from casfs.model import OUTPUT_LIFETIME, Vault
from casfs.restore.amounts import Estimate
from casfs.restore.clock import now
from casfs.restore.items import Item, is_verifiable, ranged, split
from casfs.restore.ledger import Ledger
from casfs.restore.listed_jobs import ASSUMED_RATE, Fetching, ListedJobs
from casfs.restore.plan import Group, LateRequests, Plan, Planner, open_by_archive, range_key
from casfs.restore.price_table import find_prices
from casfs.restore.prices import Load, Prices
from casfs.restore.reconciling import reconcile
from casfs.restore.request_options import Options
from casfs.restore.settling import Settling
from casfs.restore.spool import Spool
from casfs.restore.traffic import Place, find_place

WAVE = OUTPUT_LIFETIME / 2
"""What is requested at once is what can be fetched in this time: outputs of a job live twice as
long, and the next wave is retrieved while this one is fetched."""
_AT_ONCE = 500
"""Archives that are looked up in the catalog and in the cache together."""
_NAMED = 1000
"""Things that are named one by one at most."""


@dataclass
class Prepared:
    """What a command would request, at what price.

    Attributes:
        run: identifies the restore.
        vault: as the service describes it.
        region: where it is, in words.
        plan: sums.
        prices: of the service in the region.
        place: whether traffic costs.
        spent: what the restore has requested before.
        policy: the account's data retrieval policy.
        coverage: how much of the vault is cataloged.
        failed: requests whose jobs turn out to have failed, and why.
        rate: bytes per second at which outputs are fetched: as wanted, measured, or assumed.
        measured: when it was measured, None if it was not.
        features: what the service's jobs know.
        room: jobs that can be started, and all be listed again.
        too_large: some of what the service refuses at the tier.
        unverifiable: ranges without a hash.
        adopted: ids of the jobs that are running already.
        late: requests whose outputs expire before they can be fetched, which new ones replace.
        cache_error: why it is unknown what is cached of some archives; of these, only those that
            jobs bring are in the plan. None if it is known.
    """

    run: str
    vault: Vault
    region: str
    prices: Prices
    place: Place
    spent: list[Load]
    rate: float
    room: int
    features: JobFeatures
    measured: datetime | None = None
    policy: RetrievalPolicy | None = None
    coverage: Completeness | None = None
    plan: Plan = field(default_factory=Plan)
    failed: list[tuple[Request, str]] = field(default_factory=list)
    too_large: list[Item] = field(default_factory=list)
    unverifiable: int = 0
    adopted: set[str] = field(default_factory=set)
    late: LateRequests = field(default_factory=LateRequests)
    cache_error: CacheError | None = None

    def total(self, *loads: Load) -> Estimate:
        """Return what the restore costs with more jobs, those that it has requested included."""
        return self.prices.estimate([*self.spent, *loads], self.place.inside)

    def cost(self, load: Load, *planned: Load) -> Estimate:
        """Return what more jobs cost, on top of those that are planned."""
        return self.total(*planned, load) - self.total(*planned)

    @property
    def wave(self) -> int:
        """Return the bytes that are requested at once, if there is a pace."""
        return max(1, int(self.rate * WAVE.total_seconds()))


@dataclass(frozen=True)
class Preparation:
    """Finds out what must be requested.

    Attributes:
        client: of the account.
        options: what is wanted; checked.
        ledger: of the vault; for a plan that only is shown, one of a dry run.
        vault: where it is.
        spool: gets what is to be requested.
        wanted: yields what is wanted, None where the options say that; called once all jobs are
            known.
        noted: is called with each item and what is known of it.
        lost: `range_key` of more that counts as requested before, and lost.
        agreed: archive -> whether the user agreed already to requesting it again.
        without_cache: go on where it cannot be found out what is cached; see `cache_error`.
    """

    client: Client
    options: Options
    ledger: Ledger
    vault: Vault
    spool: Spool
    wanted: Callable[[], Iterator[Selected]] | None = None
    noted: Callable[[Item, Group], None] | None = None
    lost: frozenset[int] = frozenset()
    agreed: Callable[[str], bool] = lambda _: False
    without_cache: bool = False

    def prepare(self) -> Prepared:
        """Return what would be requested.

        Raises:
            ConfigError: the pace is to be the rate that was measured, and none was.
            NotFoundError: nothing that is wanted is known.
            CasfsError: service, catalog or ledger failed.
        """
        config, retrievals, name = self.client.config, self.client.retrievals, self.vault.name
        rate, measured = self._rate()
        prices = find_prices(config.dialect, config.region, config.prices)
        policy = retrievals.policy() if retrievals.features.policy else None
        run = self.ledger.run_of(self.options.selection)
        begun, jobs = now(), ListedJobs()
        retrievals.catalog_jobs(name, jobs.add)
        fetching = Fetching(rate, retrievals.now())
        patience = timedelta(seconds=config.settle_seconds)
        settling = Settling(jobs, fetching, patience, timedelta(seconds=config.deadline))
        found = reconcile(self.ledger, settling, begun, lambda job: retrievals.job(name, job))
        expedited = self.options.tier is Tier.EXPEDITED
        planner = Planner(
            jobs,
            fetching,
            open_by_archive(found.open),
            self.lost.union(
                range_key(one.archive, one.first, one.last) for one in self.ledger.lost()
            ),
            LateRequests(found.late),
            retrievals.features.expedited_limit if expedited else None,
            # A restore finds out by itself which jobs it waits for: it may be half a million.
            adopted=set() if self.wanted is None else None,
            agreed=self.agreed,
        )
        prepared = Prepared(
            run=run,
            vault=self.vault,
            region=config.region or "the region",
            prices=prices,
            place=find_place(config.endpoint, config.traffic, prices.inside),
            spent=self.ledger.spent(run),
            rate=rate,
            measured=measured,
            features=retrievals.features,
            room=retrievals.most_listed - len(jobs),
            policy=policy,
            coverage=self._cataloged(),
            failed=[
                (one, settled.reason or "")
                for one, settled in found.lost
                if settled.state is RequestState.FAILED
            ],
        )
        self._fill(planner, prepared)
        prepared.adopted, prepared.late = planner.adopted or set(), planner.late
        return prepared

    def _rate(self) -> tuple[float, datetime | None]:
        """Return the bytes per second that will be fetched, and when they were measured."""
        pace = self.options.pace
        if pace is not None and pace.rate:
            return pace.rate, None
        account = self.client.retrievals.account_key(self.vault)
        known = recorded_rate(self.client.config.state_dir, account)
        if known is not None:
            return known.rate, known.measured
        if pace is not None:
            raise ConfigError(
                "--pace auto goes by the rate of the last fetch, and nothing was fetched from this "
                "account yet: give a rate, such as --pace 40GiB/h"
            )
        return float(ASSUMED_RATE), None

    def _cataloged(self) -> Completeness:
        """Return how much of the vault is cataloged, once what finished jobs brought is."""
        archives, name = self.client.archives, self.vault.name
        coverage = archives.completeness(name)
        incomplete = coverage.missing != 0 or coverage.archives is None or not coverage.cataloged
        if coverage.waiting and incomplete:
            archives.refresh(name, lambda *_: None)
            coverage = archives.completeness(name)
        if not coverage.cataloged and self._needs_catalog():
            raise NotFoundError(
                f"nothing is cataloged of vault {name}; to start an inventory job, run: "
                f"casfs request {name} --inventory"
            )
        return coverage

    def _needs_catalog(self) -> bool:
        """Return whether only a catalog can say what is wanted."""
        return self.options.ids is None and self.wanted is None

    def _fill(self, planner: Planner, prepared: Prepared) -> None:
        plan = prepared.plan
        for one, available in self._selected_and_available(prepared):
            for item in self._items(one):
                if available is not None:
                    group = planner.group(item, one.size, available, plan)
                elif (of_jobs := planner.group_of_jobs(item, plan)) is not None:
                    group = of_jobs
                else:
                    # Nothing is paid for that may be there.
                    continue
                if self.noted is not None:
                    self.noted(item, group)
                if group in (Group.REQUESTED, Group.AGAIN):
                    self.spool.add(item._replace(again=group is Group.AGAIN))
                    if one.size is not None and not is_verifiable(item, one.size):
                        prepared.unverifiable += 1
                elif group is Group.UNCERTAIN:
                    self.spool.add(item._replace(blocked_by=planner.blocker(item)))
                elif group is Group.TOO_LARGE and len(prepared.too_large) < _NAMED:
                    prepared.too_large.append(item)

    def _selected_and_available(
        self, prepared: Prepared
    ) -> Iterator[tuple[Selected, Available | None]]:
        """Yield what is wanted, and what there is of its archive, and others; None if unknown."""
        selected = self._selected()
        while some := list(islice(selected, _AT_ONCE)):
            available = self._available(some, prepared)
            yield from ((one, available) for one in some)

    def _available(self, some: list[Selected], prepared: Prepared) -> Available | None:
        if prepared.cache_error is not None:
            # A disk that fails may take long for each error.
            return None
        # Only what a mount shows is there for whoever requests it.
        shown = self.wanted is None
        try:
            return self.client.retrievals.available.among(self.vault.name, some, shown)
        except CacheError as error:
            if not self.without_cache:
                raise
            prepared.cache_error = error
            return None

    def _selected(self) -> Iterator[Selected]:
        options, retrievals, name = self.options, self.client.retrievals, self.vault.name
        if self.wanted is not None:
            yield from self.wanted()
            return
        if options.everything:
            yield from retrievals.every_archive(name)
            return
        if options.ids is not None:
            yield from retrievals.by_id(name, dict.fromkeys(options.ids))
            return
        seen: set[str] = set()
        for pattern in options.patterns:
            for one in retrievals.matching(name, pattern):
                # Patterns may overlap; a single one does not.
                if len(options.patterns) == 1:
                    yield one
                elif one.id not in seen:
                    seen.add(one.id)
                    yield one

    def _items(self, one: Selected) -> Iterator[Item]:
        item = Item(one.id, one.name, 0, TO_THE_END, one.size, one.created, whole=True)
        if self.options.byte_range is not None:
            part = ranged(item, self.options.byte_range)
            if part is not None:
                yield part
        elif self.options.split is not None:
            yield from split(item, self.options.split)
        else:
            yield item
