"""Ingests inventories and descriptions into the catalog."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from casfs.tree.archives.chains import Chain, complete_chain, mark_full
from casfs.tree.archives.directory_rows import DirectoryRows, settle_directories
from casfs.tree.archives.naming import Names, read_names, use_rules
from casfs.tree.archives.removal import remove_unlisted
from casfs.tree.archives.unread import put_unread
from casfs.tree.descriptions.rules import RuleSet
from casfs.tree.inventory.bad_records import BadRecords
from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.inventory.reading import InventoryReader
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import (
    NO_TIME,
    Value,
    hash_of,
    parse_time,
    size_or_none,
    storable,
    to_microseconds,
)
from casfs.tree.tree_tuning import TUNING


@dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory that a job retrieved.

    Attributes:
        vault: name of the vault.
        job: id of the job.
        completed: when the job was done; an inventory is no newer, whatever date it states, or if
            it states none.
        full: all archives were requested: no dates, no limit, no marker. It counts only for an
            inventory that states its date, that can be read to the last record, and that lists as
            many archives as the vault has.
        started: when the job was created.
        joins: it may be part of a chain of inventories: it was not requested by dates.
        marker: where the next inventory must begin; None if this one is the last.
        archives: how many the vault says it has, None if that is not known.
    """

    vault: str
    job: str
    completed: datetime | None = None
    full: bool = False
    started: datetime | None = None
    joins: bool = False
    marker: str | None = None
    archives: int | None = None


class Ingest:
    """Ingests what inventories and descriptions say about archives.

    What breaks off is repeated by the next call. Several processes may do the same at a time.

    Args:
        database: stores it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_taken(self, vault: str, job: str) -> bool:
        """Return whether the inventory of a job is ingested, or need not be."""
        return bool(self._database.rows(_TAKEN, vault, storable(job)))

    def take(
        self,
        inventory: Inventory,
        reader: InventoryReader,
        rules: RuleSet,
        bad: BadRecords | None = None,
    ) -> bool:
        """Ingest an inventory; return False if there was no need to.

        Inventories add up. A full one, which may be several that continue one another, removes
        older archives that it does not list and that no job retrieves; what an earlier inventory
        lists besides does not count.

        Args:
            inventory: what it is.
            reader: reads it; while no transaction is open, and not if it was ingested before.
            rules: decode descriptions.
            bad: `reader` reports records to it that cannot be read.

        Raises:
            CasfsError: the catalog cannot be written, or what `reader` raises; some archives may
                be cataloged then.
        """
        if self.has_taken(inventory.vault, inventory.job):
            return False
        bad = bad or BadRecords()
        use_rules(self._database, inventory.vault, rules)
        with self._database.transaction() as connection:
            root = DirectoryRows(connection, inventory.vault).vault
            inserted = connection.execute(_BEGIN, (root, storable(inventory.job)))
            ((number,),) = inserted.fetchall()
        bad.on_many = lambda: put_unread(self._database, inventory.vault, number, bad.take_ids())
        batches = _resized(reader.batches())
        # What precedes the archives is known with the first of them.
        entries = next(batches, None)
        date, full = _date(inventory, reader)
        wanted = not (full and self._is_outdated(root, date))
        records = 0
        while wanted and entries is not None:
            records += len(entries)
            if self._is_outdated(root, date):
                entries = self._newer_than_full(root, entries)
            self._put(inventory.vault, number, entries, rules)
            entries = next(batches, None)
        if not self._is_outdated(root, _date(inventory, reader)[0]):
            bad.on_many()
        self._end(inventory, reader, root, number, (records, bad.count))
        return wanted

    def _end(
        self,
        inventory: Inventory,
        reader: InventoryReader,
        root: int,
        number: int,
        counts: tuple[int, int],
    ) -> None:
        """Remove what is gone according to an inventory, or its chain; mark it as ingested."""
        date, full = _date(inventory, reader)
        records, unread = counts
        joins = inventory.joins and unread == 0 and parse_time(_stated_date(reader)) != NO_TIME
        times = to_microseconds(inventory.started), to_microseconds(inventory.completed)
        facts = (date, records, unread, inventory.marker, *times, joins)
        with self._database.transaction() as connection:
            connection.execute(_NOTE, (*facts, number))
        chain = None
        full = full and unread == 0 and self._lists(root, number, inventory.archives)
        if full and not self._is_outdated(root, date):
            chain = Chain(number, date, (number,))
        elif joins:
            chain = complete_chain(self._database, root, inventory.archives)
        if chain is not None:
            remove_unlisted(self._database, root, chain.inventories, chain.date)
        ((listed,),) = self._database.rows(_ALL_LISTED, root)
        with self._database.transaction() as connection:
            connection.execute(_END, (full, number))
            connection.execute("INSERT OR REPLACE INTO counts VALUES (?, ?)", (root, listed))
            if chain is not None:
                mark_full(connection, chain.oldest)

    def _lists(self, root: int, number: int, archives: int | None) -> bool:
        """Return whether an inventory lists as many archives as its vault has."""
        if archives is None:
            return True
        ((listed,),) = self._database.rows(_LISTED_BY, root, number)
        return bool(listed >= archives)

    def put_description(self, vault: str, archive_id: str, text: str, rules: RuleSet) -> None:
        """Store the description of an archive, unless an inventory has stated it.

        An archive has one name: what an inventory states counts, even if it differs.

        Raises:
            CasfsError: the catalog cannot be written.
        """
        use_rules(self._database, vault, rules)
        names, hash_ = read_names(text, None, rules), hash_of(vault, archive_id)
        with self._database.transaction() as connection:
            (listed,) = connection.execute(_IS_LISTED, (hash_, NO_TIME, storable(text))).fetchone()
            if listed:
                # Directories would be created for a name that nothing receives.
                return
            directories = DirectoryRows(connection, vault)
            values = (storable(text), NO_TIME, None, None, *names.row(directories), 0)
            row = (hash_, directories.vault, storable(archive_id), *values)
            connection.execute(_PUT_DESCRIPTION, row)
            # There may be a job for it, or no longer.
            connection.execute("INSERT OR IGNORE INTO changed VALUES (?)", (hash_,))
            settle_directories(connection)

    def use_rules(self, vault: str, rules: RuleSet) -> None:
        """Derive names again, from what is cataloged, if the rules have changed.

        Raises:
            CasfsError: the catalog cannot be written.
        """
        use_rules(self._database, vault, rules)

    def _is_outdated(self, root: int, date: int) -> bool:
        """Return whether a full inventory that is newer than this date is ingested."""
        return date != NO_TIME and bool(self._database.rows(_NEWER_FULL, root, date))

    def _newer_than_full(self, root: int, entries: list[ArchiveEntry]) -> list[ArchiveEntry]:
        """Return those archives that are newer than the newest full inventory."""
        ((newest,),) = self._database.rows(_NEWEST_FULL, root)
        return [entry for entry in entries if parse_time(entry.created) >= newest]

    def _put(self, vault: str, number: int, entries: list[ArchiveEntry], rules: RuleSet) -> None:
        facts = {hash_of(vault, entry.id): (entry, _facts(entry)) for entry in entries}
        known = {
            hash_: tuple(rest)
            for hash_, *rest in self._database.rows(_LISTED, json.dumps(list(facts)))
        }
        same = [(number, hash_) for hash_ in known if known[hash_] == facts[hash_][1]]
        for _, hash_ in same:
            del facts[hash_]
        named = [
            (hash_, entry.id, values, read_names(entry.description, entry.size, rules))
            for hash_, (entry, values) in facts.items()
        ]
        with self._database.transaction(bulk=True) as connection:
            directories = DirectoryRows(connection, vault)
            connection.executemany("UPDATE archives SET listed = ? WHERE hash = ?", same)
            connection.executemany(_PUT, _rows(directories, named, number))
            settle_directories(connection)


def _date(inventory: Inventory, reader: InventoryReader) -> tuple[int, bool]:
    """Return the latest time at which an inventory was made, and whether it is full."""
    stated = parse_time(_stated_date(reader))
    completed = to_microseconds(inventory.completed)
    if stated == NO_TIME or completed == NO_TIME:
        return max(stated, completed), inventory.full and stated != NO_TIME
    # A date in the future would outdate all later inventories.
    return min(stated, completed), inventory.full


def _stated_date(reader: InventoryReader) -> object:
    return reader.facts.get("InventoryDate")


def _resized(batches: Iterable[Sequence[ArchiveEntry]]) -> Iterator[list[ArchiveEntry]]:
    entries = itertools.chain.from_iterable(batches)
    while batch := list(itertools.islice(entries, TUNING.transaction_archives)):
        yield batch


def _facts(entry: ArchiveEntry) -> tuple[Value, ...]:
    return (
        storable(entry.description),
        parse_time(entry.created),
        size_or_none(entry.size),
        storable(entry.tree_hash),
    )


def _rows(
    directories: DirectoryRows,
    named: list[tuple[int, str, tuple[Value, ...], Names]],
    number: int,
) -> Iterator[tuple[Value, ...]]:
    for hash_, archive_id, values, names in named:
        row = (hash_, directories.vault, storable(archive_id))
        yield (*row, *values, *names.row(directories), number)


_COLUMNS = """hash, vault, id, description, created, size, tree_hash,
    folder, name, rule, mtime, flags, original_size, listed"""
_NAMES = """description = excluded.description, folder = excluded.folder, name = excluded.name,
    rule = excluded.rule, flags = excluded.flags, original_size = excluded.original_size"""
# An archive without any date keeps the time of its first job.
_TIME = f"""mtime = CASE WHEN excluded.mtime IS NULL AND %s.created = {NO_TIME} THEN archives.mtime
    ELSE excluded.mtime END"""
# The same hash with another id is a collision: see `hash_of`.
_PUT = f"""INSERT INTO archives ({_COLUMNS})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE
    SET {_NAMES}, {_TIME % "excluded"}, created = excluded.created, size = excluded.size,
        tree_hash = excluded.tree_hash, listed = excluded.listed
    WHERE id = excluded.id"""  # noqa: S608 - constants
_PUT_DESCRIPTION = f"""INSERT INTO archives ({_COLUMNS})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE
    SET {_NAMES}, {_TIME % "archives"}
    WHERE id = excluded.id"""  # noqa: S608 - constants
_IS_LISTED = """SELECT EXISTS (SELECT 1 FROM archives WHERE hash = ?1
    AND (listed > 0 OR created <> ?2 OR description IS ?3))"""
_LISTED = """SELECT hash, description, created, size, tree_hash FROM archives
    WHERE hash IN (SELECT value FROM json_each(?)) AND listed > 0"""
# What an earlier version ingested is ingested again, as long as possible.
_TAKEN = """SELECT 1 FROM inventories WHERE taken AND records IS NOT NULL AND job = ?2
    AND vault = (SELECT number FROM folders WHERE parent = 0 AND name = ?1)"""
_BEGIN = """INSERT INTO inventories (vault, job) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET taken = 0 RETURNING number"""
_NOTE = """UPDATE inventories SET date = ?, records = ?, unreadable = ?, marker = ?,
    started = ?, completed = ?, joins = ? WHERE number = ?"""
_END = "UPDATE inventories SET full = ?, taken = 1 WHERE number = ?"
_LISTED_BY = "SELECT count(*) FROM archives WHERE vault = ? AND listed = ?"
_ALL_LISTED = "SELECT count(*) FROM archives WHERE vault = ? AND listed > 0"
_NEWER_FULL = "SELECT 1 FROM inventories WHERE vault = ? AND date > ? AND full AND taken"
_NEWEST_FULL = "SELECT max(date) FROM inventories WHERE vault = ? AND full AND taken"
