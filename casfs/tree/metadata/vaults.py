"""The vaults of an account, also for a key that may not list them.

Such a key sees the vaults that were known before and those that the settings name; any other is
found when somebody asks for it by name.

Lock order: the one lock guards the listing and what was found by name; it is innermost.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from casfs.deadline import Deadline
from casfs.errors import CasfsError, DeniedError, ForbiddenError, NotFoundError
from casfs.model import Vault
from casfs.service.service import Service
from casfs.tree.file_names import from_file_name, to_file_name
from casfs.tree.metadata.account_settings import AccountSettings
from casfs.tree.metadata.cached_listing import CachedListing, age_of
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.metadata.losses import warn_of_lost_jobs, warn_of_lost_vaults
from casfs.tree.metadata.snapshot import Snapshot
from casfs.tree.tree_tuning import TUNING

log = logging.getLogger(__name__)

_ADVICE = (
    "name the vaults that this key may see in the setting `vaults`; others are found by their names"
)


@dataclass(frozen=True, slots=True)
class _VaultNames:
    """What the service answered: all vaults, or that this key may not list them.

    Attributes:
        names: the name of each vault by its file name.
        refusal: why these are not all vaults; None if they are.
        used: the service let this key see one of them individually.
    """

    names: dict[str, str]
    refusal: str | None = None
    used: bool = True


class Vaults:
    """The vaults of one account.

    Args:
        service: the account's service.
        table: keeps what it said.
        snapshot: what is known without asking.
        settings: what the configuration says about the account.
        on_stale: is called when an old list is served because the service did not answer.
    """

    def __init__(
        self,
        service: Service,
        table: JobTable,
        snapshot: Snapshot,
        settings: AccountSettings,
        on_stale: Callable[[], None],
    ) -> None:
        self._service = service
        self._table = table
        self._snapshot = snapshot
        self._settings = settings
        self._ttl = settings.listing_ttl
        self._deadline = settings.deadline
        self._on_stale = on_stale
        self._lock = threading.Lock()
        self._listing: CachedListing[_VaultNames] | None = None
        self._incarnation = table.incarnation
        self._described: TTLCache[str, Vault] = TTLCache(TUNING.remembered, self._ttl)
        self._missing: TTLCache[str, CasfsError] = TTLCache(TUNING.remembered, self._ttl)

    def check(self) -> None:
        """Ask the service for the vaults, so that wrong credentials show at once.

        Raises:
            DeniedError: it refuses us, or lets us see none of the known vaults.
            CasfsError: it does not answer, and nothing is known from before.
        """
        listed = self._list().get(Deadline(self._deadline), refresh=True)
        if listed.refusal is None:
            return
        if not listed.used and (listed.names or not self._settings.own_account):
            raise ForbiddenError(f"{listed.refusal}; or {_ADVICE}")
        log.warning("not all vaults are shown: %s; %s", listed.refusal, _ADVICE)

    def all(self, refresh: bool = False) -> list[Vault]:
        """Return all vaults; for a key that may not list them, those that are known or named.

        Args:
            refresh: ask however fresh the list is.

        Raises:
            CasfsError: nothing is known, and the service failed.
        """
        self._list().get(Deadline(self._deadline), refresh)
        return self.shown()

    def known(self) -> list[Vault]:
        """Return the vaults that were last listed, without asking."""
        return [
            self._service.parse_vault(told) for _, told, listed in self._table.vaults() if listed
        ]

    def shown(self) -> list[Vault]:
        """Return the vaults that `all` returned last, without asking."""
        known = self._snapshot.vaults(forget=False).values()
        return [self._service.parse_vault(description) for _, description in known]

    def stale_since(self) -> float | None:
        """Return how many seconds ago the list was current, None if the service answered last."""
        return self._list().stale_since()

    def refusal(self) -> ForbiddenError | None:
        """Return why `all` does not return all vaults, without asking; None if it does."""
        listed = self._list().known()
        if listed is None or listed.refusal is None:
            return None
        return ForbiddenError(f"{listed.refusal}; {_ADVICE}")

    def vault(self, file_name: str, refresh: bool = False) -> Vault:
        """Return a vault; asks the service only for an unknown one.

        Args:
            file_name: file name of the vault.
            refresh: ask for an unknown one however fresh the list is.

        Raises:
            NotFoundError: there is none with that name.
            DeniedError: this key may see neither the list of vaults nor this one.
            CasfsError: it is not known, and the service failed.
        """
        listing = self._list()
        with self._lock:
            described = self._described.get(file_name)
        if described is not None:
            return described
        vault = self._in_catalog(listing.known(), file_name)
        if vault is None:
            vault = self._ask(listing, file_name, refresh)
        with self._lock:
            self._described[file_name] = vault
        return vault

    def describe(self, name: str) -> None:
        """Ask the service to describe a known vault: its count of archives changes.

        Raises:
            CasfsError: the service failed, or hides it from us; what is known stays.
        """
        vault = self._service.vault(name, Deadline(self._deadline))
        self._table.put_vault(vault)
        with self._lock:
            self._described[to_file_name(name)] = vault

    def forget(self, name: str) -> None:
        """Note that a vault does not exist according to the service; its retained jobs stay."""
        # If all are listed, the next list says so.
        self._forget(name, for_good=self.refusal() is not None)

    def _forget(self, name: str, for_good: bool) -> None:
        change = self._table.list_jobs(name, [], time.time())
        lost = (self._service.parse_job(name, description) for description in change.lost)
        warn_of_lost_jobs(name, change, lost)
        if self._snapshot.jobs(name):
            return
        if for_good:
            self._table.remove_vault(name)
        with self._lock:
            self._described.pop(to_file_name(name), None)

    def _in_catalog(self, listed: _VaultNames | None, file_name: str) -> Vault | None:
        """Return a vault that was listed, also by another process since."""
        name = listed.names.get(file_name) if listed is not None else None
        name = from_file_name(file_name) if name is None else name
        row = self._table.vault(name) if name is not None else None
        if row is None or not (row.listed or (listed is not None and file_name in listed.names)):
            return None
        return self._service.parse_vault(row.description)

    def _ask(self, listing: CachedListing[_VaultNames], file_name: str, refresh: bool) -> Vault:
        deadline, known = Deadline(self._deadline), listing.known()
        # A listed vault that the database lacks was lost there.
        if known is not None and file_name in known.names:
            refresh = True
        known = listing.get(deadline, refresh) if refresh else listing.look_again(deadline)
        vault = self._in_catalog(known, file_name)
        if vault is not None:
            return vault
        if known.refusal is None:
            raise NotFoundError(f"there is no vault {file_name}")
        return self._find(file_name, refresh)

    def _find(self, file_name: str, refresh: bool) -> Vault:
        """Return a vault by its name alone, for a key that may not list vaults."""
        with self._lock:
            missing = None if refresh else self._missing.get(file_name)
        if missing is not None:
            raise type(missing)(str(missing))
        name = from_file_name(file_name)
        if name is None:
            raise NotFoundError(f"there is no vault {file_name}")
        try:
            vault = self._describe(name, Deadline(self._deadline))
        except (NotFoundError, DeniedError) as error:
            with self._lock:
                self._missing[file_name] = error
            raise
        self._table.put_vault(vault)
        return vault

    def _describe(self, name: str, deadline: Deadline) -> Vault:
        """Return a vault of which the service shows us the description, or at least the jobs."""
        try:
            return self._service.vault(name, deadline)
        except ForbiddenError:
            vault = self._service.undescribed_vault(name)
            next(self._service.jobs(name, deadline), None)
            return vault

    def _list(self) -> CachedListing[_VaultNames]:
        incarnation = self._table.incarnation
        with self._lock:
            if self._listing is not None and incarnation == self._incarnation:
                return self._listing
        names = self._names(forget=False)
        age = age_of(self._table.vaults_listed_at())
        value = _VaultNames(names) if names or age is not None else None
        age = float("inf") if age is None else age
        made = CachedListing(
            "the list of vaults", self._load, self._ttl, self._on_stale, value, age
        )
        with self._lock:
            if self._listing is None or incarnation != self._incarnation:
                # What was learned from a corrupt catalog, which was rebuilt since, is void.
                self._listing, self._incarnation = made, incarnation
                self._described.clear()
            return self._listing

    def _load(self, deadline: Deadline) -> _VaultNames:
        try:
            change = self._table.list_vaults(self._service.vaults(deadline), time.time())
            warn_of_lost_vaults(change)
        except ForbiddenError as error:
            return self._load_without_list(deadline, str(error))
        with self._lock:
            self._described.clear()
        return _VaultNames(self._names(forget=True))

    def _load_without_list(self, deadline: Deadline, refusal: str) -> _VaultNames:
        """Describe one by one the vaults that are named or known."""
        before = [vault.name for vault in self.shown()]
        used = False
        for name in dict.fromkeys([*self._settings.vaults, *before[: TUNING.described_vaults]]):
            try:
                self._table.put_vault(self._describe(name, deadline))
                used = True
            except NotFoundError:
                used = True
                self._forget(name, for_good=True)
                if name in self._settings.vaults:
                    log.warning("there is no vault %s, which the setting `vaults` names", name)
            except DeniedError as error:
                log.warning("vault %s is stale: %s", name, error)
                if name not in before:
                    self._table.put_vault(self._service.undescribed_vault(name))
        with self._lock:
            self._described.clear()
            self._missing.clear()
        return _VaultNames(self._names(forget=False), refusal, used)

    def _names(self, forget: bool) -> dict[str, str]:
        known = self._snapshot.vaults(forget)
        return {file_name: name for file_name, (name, _) in known.items()}
