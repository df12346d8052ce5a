"""The mtimes of directories: each has that of the newest of what is listed in it.

As far as is known: whoever looks at a directory asks the service for nothing. Where nothing in it
has a time, it is when the catalog was begun: no file is of 1970.
"""

import contextlib
import time

from casfs.errors import CasfsError
from casfs.model import Job, Vault
from casfs.tree.archives.queries import Archives
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.times import mtime, nanoseconds


class DirectoryTimes:
    """Times in nanoseconds since 1970, the same after a remount.

    Args:
        account: knows the vaults.
        table: knows the newest job of each.
        archives: know the newest archives of each.
    """

    def __init__(self, account: Account, table: JobTable, archives: Archives) -> None:
        self._account = account
        self._table = table
        self._archives = archives
        self._last = time.time_ns()

    def known(self, moment: int) -> int:
        """Return a time of a vault or job, or when the catalog was begun if it is 0."""
        return moment or self._table.begun_at()

    def job(self, job: Job) -> int:
        """Return the time of a job, and of all files in its directory."""
        return self.known(mtime(job))

    def vault_file(self, vault: Vault) -> int:
        """Return the time of `vault.json`."""
        return self.known(nanoseconds(vault.inventoried or vault.created))

    def jobs(self, vault: Vault) -> int:
        """Return the time of `jobs/`; that of an empty one is the vault's."""
        newest = self._table.newest_job(vault.name)
        return self._empty(vault) if newest is None else self.known(newest)

    def archives(self, vault: Vault) -> int:
        """Return the time of `archives/`; that of an empty one is the vault's."""
        times = [one for one in self._archives.newest(vault.name) if one is not None]
        return max(times) if times else self._empty(vault)

    def nameless(self, vault: Vault) -> int:
        """Return the time of `archives/by-id/`, where only archives without a name are listed."""
        _, newest = self._archives.newest(vault.name)
        return self._empty(vault) if newest is None else newest

    def vault(self, vault: Vault) -> int:
        """Return the time of a vault's directory."""
        return max(self.vault_file(vault), self.jobs(vault), self.archives(vault))

    def all(self) -> int:
        """Return the time of everything: of the root, of `vaults/`, and of the mount's own files.

        These change all the time; but tar complains of a file whose time does. Where the catalog
        fails, it is the last one: that must not hide the root, nor what the mount is doing.
        """
        with contextlib.suppress(CasfsError):
            vaults = self._account.shown_vaults()
            self._last = max(map(self.vault, vaults), default=0) or self._table.begun_at()
        return self._last

    def _empty(self, vault: Vault) -> int:
        return self.known(nanoseconds(vault.created or vault.inventoried))
