"""Vaults and the archives in them."""

from collections.abc import Callable

from casfs.emulator.engine.errors import (
    BadVaultNameError,
    ForeignError,
    NoArchiveError,
    NotEmptyError,
    NoVaultError,
    TooManyError,
)
from casfs.emulator.engine.incoming import Received
from casfs.emulator.engine.records import Archive, Vault
from casfs.emulator.engine.store import Store
from casfs.emulator.settings import Settings

INVENTORY_SECONDS = 24 * 3600
"""The age at which the counts of a vault are updated."""


class Vaults:
    """The operations on vaults and archives.

    Args:
        store: holds the vaults and archives.
        settings: the rules and the open questions.
        clock: returns Unix seconds.
    """

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._rules = settings.rules
        self._inclusive = settings.questions.marker == "inclusive"
        self._output_seconds = settings.output_hours * 3600

    def create(self, name: str) -> Vault:
        """Create a vault, or return the existing one of that name.

        Raises:
            BadVaultNameError: the name is malformed.
            ForeignError: another account owns a vault of that name.
            TooManyError: the account has the maximum number of vaults.
        """
        if not self._rules.vault_name.fullmatch(name):
            raise BadVaultNameError(f"Invalid vault name: {name}")
        limit = self._rules.vaults_limit
        if self._store.vault(name) is None and self._store.vault_count() >= limit:
            raise TooManyError(f"An account has at most {limit} vaults")
        self._store.add_vault(name, self._clock())
        return self.get(name)

    def get(self, name: str) -> Vault:
        """Return a vault by name, with counts that are at most a day old.

        Raises:
            NoVaultError: there is none of that name.
            ForeignError: another account owns it.
        """
        return self._found(self._store.vault(name), name)

    def at(self, address: str) -> Vault:
        """Return a vault by address, with counts that are at most a day old.

        Raises:
            NoVaultError: there is none.
            ForeignError: another account owns it.
        """
        return self._found(self._store.vault_at(address), address)

    def _found(self, vault: Vault | None, address: str) -> Vault:
        if vault is None:
            raise NoVaultError(address)
        if vault.owner is not None:
            raise ForeignError(f"The vault belongs to another account: {address}")
        return self._counted(vault)

    def _counted(self, vault: Vault) -> Vault:
        now = self._clock()
        if now - (vault.inventoried or vault.created) < INVENTORY_SECONDS:
            return vault
        self._store.take_inventory(vault.name, now)
        return self._store.vault(vault.name) or vault

    def page(self, marker: str, limit: int) -> tuple[list[Vault], str | None]:
        """Return a page of vaults by address, and the next page's marker (None = the last page)."""
        found = self._store.vaults(marker, self._inclusive, limit + 1)
        following = None
        if len(found) > limit:
            following = found[limit if self._inclusive else limit - 1].address
        return [self._counted(vault) for vault in found[:limit]], following

    def delete(self, name: str) -> None:
        """Delete a vault.

        Raises:
            NotThereError: there is none of that name.
            NotEmptyError: it holds archives.
        """
        self.get(name)
        if self._store.holds_archives(name):
            raise NotEmptyError(name)
        self._store.remove_vault(name)

    def add_archive(self, vault: str, description: str | None, body: Received) -> Archive:
        """Create an archive from a body that was received and verified."""
        archive = Archive(
            id=self._rules.new_id(self._rules.archive_id_length),
            vault=vault,
            description=description,
            size=body.size,
            created=self._clock(),
            tree_hash=self._rules.tree.root(body.leaves),
        )
        self._store.add_file(archive, body.leaves, body.file)
        return archive

    def archive(self, vault: str, archive_id: str) -> Archive:
        """Return an archive.

        Raises:
            NoArchiveError: it is unknown or deleted.
        """
        archive = self._store.archive(archive_id)
        if archive is None or archive.vault != vault or archive.deleted is not None:
            raise NoArchiveError(archive_id)
        return archive

    def delete_archive(self, vault: str, archive_id: str) -> None:
        """Delete an archive; deleting it again has no effect.

        Running jobs will fail; outputs remain readable.

        Raises:
            NoArchiveError: the vault never had it.
        """
        archive = self._store.archive(archive_id)
        if archive is None or archive.vault != vault:
            raise NoArchiveError(archive_id)
        if archive.deleted is None:
            now = self._clock()
            failure = f"The archive ID was not found: {archive_id}"
            self._store.remove_archive(archive_id, now, now - self._output_seconds, failure)
