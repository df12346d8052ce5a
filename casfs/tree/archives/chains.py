"""Inventories that continue one another, and together list the whole vault.

A service that limits the archives of a job states with each job where the next one must begin: its
marker. It does not state where a job itself began (Tencent CAS and Amazon Glacier, "Describe Job";
Marker there is where to continue). So three things together identify a chain: each job was started
after the previous one was done, or all have the same date; all but one of them continue; and
together they list as many archives as the vault says it has.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import NO_TIME


@dataclass(frozen=True, slots=True)
class Chain:
    """Inventories that list all archives of a vault together.

    Attributes:
        oldest: number of the oldest of them.
        date: when that was; what is newer may be in none of them.
        inventories: numbers of all inventories since then, which may list what these do not.
    """

    oldest: int
    date: int
    inventories: tuple[int, ...]


class _Link(NamedTuple):
    """An inventory, as far as chains are concerned.

    Attributes:
        number: its row.
        date: when it was made.
        marker: where the next one must begin; None if it lists the rest of the vault.
        started: when its job was started.
        completed: when its job was done.
        joins: whether it may be part of a chain: it was not requested by dates, and all of it
            could be read.
    """

    number: int
    date: int
    marker: str | None
    started: int
    completed: int
    joins: int


def complete_chain(database: Database, vault: int, archives: int | None) -> Chain | None:
    """Return the newest inventories that together list the whole vault, None if there are none.

    Args:
        database: stores them.
        vault: number of the vault.
        archives: how many the vault says it has, None if that is not known.
    """
    parts = [_Link._make(row) for row in database.rows(_PARTS, vault)]
    for candidate in _candidates(parts):
        oldest = min(candidate, key=lambda part: part.date)
        since = [part.number for part in parts if part.date >= oldest.date]
        ((listed,),) = database.rows(_LISTED, vault, json.dumps(since))
        if listed == archives:
            return Chain(oldest.number, oldest.date, tuple(since))
    return None


def _candidates(parts: Sequence[_Link]) -> Iterator[Sequence[_Link]]:
    """Yield inventories that may form a chain, the newest first."""
    newest = max((part.date for part in parts), default=NO_TIME)
    same = [part for part in parts if part.date == newest]
    markers = {part.marker for part in same}
    one_ends = len(same) > 1 and None in markers and len(markers) == len(same)
    if one_ends and all(part.joins for part in same):
        yield same
    for length in range(2, _length(parts) + 1):
        yield parts[-length:]


def _length(parts: Sequence[_Link]) -> int:
    """Return how many of the latest inventories continue one another, by when they were started."""
    if not parts or parts[-1].marker is not None or not parts[-1].joins:
        return 0
    length = 1
    for before, part in zip(parts[-2::-1], parts[::-1], strict=False):
        follows = NO_TIME < before.completed <= part.started
        if before.marker is None or not before.joins or not follows:
            break
        length += 1
    return length


def mark_full(connection: sqlite3.Connection, number: int) -> None:
    """Note that all inventories older than this one are outdated."""
    connection.execute("UPDATE inventories SET full = 1 WHERE number = ?", (number,))


_PARTS = """SELECT number, date, marker, started, completed, joins FROM inventories
    WHERE vault = ? AND records IS NOT NULL ORDER BY started, number"""
_LISTED = """SELECT count(*) FROM archives
    WHERE vault = ? AND listed IN (SELECT value FROM json_each(?))"""
