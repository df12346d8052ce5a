"""What inventories leave out: archives that none lists, and records that cannot be read."""

from dataclasses import dataclass

from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import NO_TIME, loaded


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of a vault its cataloged inventories cover.

    Attributes:
        archives: how many the vault says it has, None if that is not known.
        cataloged: how many are known.
        job: the newest inventory job that lacks its continuation; None if there is none.
        marker: where its continuation must begin.
        unread: inventory jobs with records that cannot be read, and how many.
        waiting: inventories of finished jobs that are not cataloged yet.
    """

    archives: int | None
    cataloged: int
    job: str | None = None
    marker: str | None = None
    unread: tuple[tuple[str, int], ...] = ()
    waiting: int = 0

    @property
    def missing(self) -> int | None:
        """Return how many archives are missing; None if an unknown number may be.

        A catalog may also hold archives that are gone: if it has more than the vault, and the last
        inventory lacks its continuation, some of the vault's may be missing all the same.
        """
        if self.archives is not None and self.archives > self.cataloged:
            return self.archives - self.cataloged
        return None if self.job is not None and self.archives != self.cataloged else 0


def completeness(
    database: Database, vault: str, archives: int | None, waiting: int
) -> Completeness:
    """Return how much of a vault its cataloged inventories cover.

    Args:
        database: stores them.
        vault: name of the vault.
        archives: how many archives it says it has.
        waiting: inventories that are still to be cataloged.

    Raises:
        CasfsError: the catalog cannot be read.
    """
    rows = database.rows(_INVENTORIES, vault)
    full = max((date for _, date, _, _, is_full in rows if is_full), default=NO_TIME)
    # An older one counts only for what it lists.
    newer = [row for row in rows if row[1] > full or row[1] == NO_TIME]
    unread = tuple((loaded(job), count) for job, _, _, count, _ in newer if count)
    job, marker = (rows[-1][0], rows[-1][2]) if rows else (None, None)
    known = _listed(database, vault) + database.rows(_UNLISTED, vault)[0][0]
    return Completeness(archives, known, loaded(job) if marker else None, marker, unread, waiting)


def _listed(database: Database, vault: str) -> int:
    counted = database.rows(_COUNTED, vault)
    # A catalog of an earlier version counts it with the next inventory.
    ((listed,),) = counted or database.rows(_COUNT, vault)
    return int(listed)


_VAULT = "(SELECT number FROM folders WHERE parent = 0 AND name = ?)"
_INVENTORIES = f"""SELECT job, ifnull(date, {NO_TIME}), marker, unreadable, full FROM inventories
    WHERE taken AND vault = {_VAULT} ORDER BY started, number"""  # noqa: S608 - constants
_COUNTED = f"SELECT archives FROM counts WHERE vault = {_VAULT}"  # noqa: S608 - constants
_COUNT = f"""SELECT count(*) FROM archives
    WHERE listed > 0 AND vault = {_VAULT}"""  # noqa: S608 - constants
_UNLISTED = """SELECT count(DISTINCT jobs.hash) FROM jobs JOIN archives USING (hash)
    WHERE jobs.vault = ? AND archives.listed = 0"""
