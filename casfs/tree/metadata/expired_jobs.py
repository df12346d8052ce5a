"""Forgets jobs that a service no longer lists, where nothing of what they brought is cached.

Whoever shows jobs looks closely at each that is no longer listed: see `Snapshot.jobs`. A restore
lists the jobs again and again, with a hundred thousand outputs of earlier ones in the cache. So
here, each is looked at once in a process, and nothing in the cache is opened.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from casfs.errors import CacheError
from casfs.service.service import Service
from casfs.tree.metadata.job_keys import job_keys
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import loaded

log = logging.getLogger(__name__)

_PAGE = 1000
"""Jobs that are read, and forgotten, at a time."""


class ExpiredJobs:
    """The jobs in the catalog that are no longer listed.

    Args:
        service: understands its own descriptions.
        database: stores them.
        held: yields those of some keys of outputs of which something may be cached; raises
            CacheError if that cannot be found out.
    """

    def __init__(
        self,
        service: Service,
        database: Database,
        held: Callable[[Iterable[str]], Iterable[str]],
    ) -> None:
        self._service = service
        self._database = database
        self._held = held
        self._seen: dict[str, int] = {}
        """The list of jobs of each vault by which they were forgotten last."""

    def forget(self, vault: str) -> None:
        """Forget the jobs of a vault that its last list lacks, unless they are still of use.

        They are if something is cached under one of their keys, and if no inventory lists their
        archive: without them, nobody would know that there is one. While it cannot be found out
        what is cached, all are kept, and looked at again after the next list.

        Raises:
            CasfsError: the catalog cannot be read or written.
        """
        scope = f"vaults/{vault}"
        rows = self._database.rows("SELECT generation FROM listings WHERE scope = ?", scope)
        if not rows:
            return
        ((listed,),) = rows
        since = self._seen.get(vault, 0)
        # A catalog that was rebuilt counts from the beginning.
        for page in self._pages(vault, since if since <= listed else 0, listed):
            keys = {id_: self._keys(vault, *facts) for id_, *facts in page}
            try:
                held = frozenset(self._held({key for some in keys.values() for key in some}))
            except CacheError as error:
                log.warning("jobs that have expired are kept: %s", error)
                return
            gone = [(vault, id_, listed) for id_, some in keys.items() if not held & some]
            with self._database.transaction() as connection:
                connection.executemany(_FORGET, gone)
        self._seen[vault] = listed

    def _pages(self, vault: str, since: int, listed: int) -> Iterator[list[Any]]:
        last: Any = ""
        while rows := self._database.rows(_EXPIRED, vault, since, listed, last, _PAGE):
            yield rows
            last = rows[-1][0]

    def _keys(
        self, vault: str, description: str, measured: int | None, tree_hash: str | bytes | None
    ) -> frozenset[str]:
        job = self._service.parse_job(vault, description)
        size = measured if job.measured and measured is not None else job.size
        return job_keys(self._service, job, size, loaded(tree_hash))


# Of a job that an earlier version cataloged, it is not known for which archive it is until
# `Readable` has parsed it: the next list is soon enough.
_EXPIRED = """SELECT jobs.id, jobs.description, jobs.size, archives.tree_hash FROM jobs
    LEFT JOIN archives ON archives.hash = jobs.hash
    WHERE jobs.vault = ? AND jobs.generation >= ? AND jobs.generation < ? AND jobs.id > ?
    AND jobs.state IS NOT NULL AND (jobs.hash IS NULL OR archives.listed <> 0)
    ORDER BY jobs.id LIMIT ?"""
_FORGET = "DELETE FROM jobs WHERE vault = ? AND id = ? AND generation < ?"
