"""What names each vault in the paths of requests."""

import threading

from casfs.model import Vault
from casfs.service.dialect import Dialect


class Addresses:
    """The addresses of vaults, as far as they are known.

    Lock order: its one lock is innermost.

    Args:
        dialect: says whether the name of a vault is its address.

    Attributes:
        jobs_paths: the path of the jobs of each vault of which it was needed or noted.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self.jobs_paths: dict[str, str] = {}

    def note(self, vault: Vault) -> Vault:
        """Note the address of a vault; return the vault."""
        with self._lock:
            self._known[vault.name] = vault.address
            self.jobs_paths[vault.name] = self._dialect.jobs_path(vault.address)
        return vault

    def of(self, name: str) -> str | None:
        """Return the address of a vault, None if it is not known."""
        address = self._dialect.address(name)
        if address is None:
            with self._lock:
                address = self._known.get(name)
        return address
