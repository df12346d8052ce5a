"""Reads the ledger, for mounts and lists: it never writes, and a ledger that fails is empty."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from casfs.ledger.files import BESIDE, LEDGER, state_directory
from casfs.ledger.request import COLUMNS, Request, account_key, from_row, to_column
from casfs.model import Vault

log = logging.getLogger(__name__)

_BUSY_SECONDS = 2.0
_PAGE = 1000
"""Rows that are read at a time, so that a long listing does not keep the log from shrinking."""
_AT_ONCE = 500
"""Archives in a query; SQLite allows 999 parameters in its oldest builds."""


class LedgerReader:
    """What was requested of one account on this machine.

    The file is opened for each call, so that one that appears, or is restored, is seen. What a
    later version of casfs added to its tables is ignored.

    Args:
        directory: the state directory, None if there is none.
        origin: `Service.origin`.
    """

    def __init__(self, directory: Path | None, origin: Sequence[str]) -> None:
        self._origin = tuple(origin)
        self._private = None if directory is None else state_directory(directory)
        self._lock = threading.Lock()
        self._warned = False

    def of_archives(self, vault: Vault, archives: Sequence[str]) -> dict[str, list[Request]]:
        """Return the requests for each archive that has some, the latest one last."""
        found: dict[str, list[Request]] = {}
        for begin in range(0, len(archives), _AT_ONCE):
            ids = [to_column(one) for one in archives[begin : begin + _AT_ONCE]]
            where = f"archive IN ({', '.join('?' * len(ids))}) AND kind = 'archive'"
            for request in self._rows(vault, f"{where} ORDER BY number", ids):
                found.setdefault(request.archive, []).append(request)
        return found

    def of_job(self, vault: Vault, job: str) -> Request | None:
        """Return the request that started a job, None if it was not started from here."""
        found = self._rows(vault, "job = ? ORDER BY number DESC LIMIT 1", [job])
        return found[0] if found else None

    def of_vault(self, vault: Vault) -> Iterator[Request]:
        """Yield every request for something in a vault, the earliest first."""
        last = -1
        while found := self._rows(vault, "number > ? ORDER BY number LIMIT ?", [last, _PAGE]):
            yield from found
            last = found[-1].number

    def _rows(self, vault: Vault, where: str, values: Sequence[Any]) -> list[Request]:
        account = account_key(self._origin, vault)
        query = f"SELECT {COLUMNS} FROM requests WHERE account = ? AND vault = ? AND {where}"  # noqa: S608
        try:
            with self._connection() as connection:
                if connection is None:
                    return []
                values = (account, to_column(vault.name), *values)
                return [from_row(row) for row in connection.execute(query, values)]
        except (OSError, sqlite3.Error, ValueError, ArithmeticError) as error:
            self._warn(error)
            return []

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection | None]:
        if self._private is None:
            yield None
            return
        path = self._private.path / LEDGER
        if not path.exists():
            yield None
            return
        self._private.confirm()
        for ending in ("", *BESIDE):
            self._private.check_file(path.with_name(path.name + ending), written=True)
        uri = f"file:{quote(str(path))}?mode=ro"
        connection = sqlite3.connect(uri, timeout=_BUSY_SECONDS, uri=True)
        try:
            yield connection
        finally:
            connection.close()

    def _warn(self, error: Exception) -> None:
        with self._lock:
            warned, self._warned = self._warned, True
        if not warned:
            where = self._private.path / LEDGER if self._private else LEDGER
            log.warning("cannot read %s (%s); what was requested is not shown", where, error)
