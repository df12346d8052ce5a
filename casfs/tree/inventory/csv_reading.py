"""Reads inventories in CSV: those of the services, and those that casfs wrote.

Both have the same header. The first record tells them apart: casfs quotes every text and no size,
which the services never do, as they quote either what needs it (a description) or everything. No
record of theirs reads as one of ours, whatever its description: in theirs a
backslash precedes each quote of a description, in ours a field that has quotes begins with
one.
"""

import re
from collections.abc import Iterator
from typing import Any

from casfs.errors import InventoryError
from casfs.tree.inventory.bad_records import BadRecord, OnBad
from casfs.tree.inventory.entry import (
    COLUMNS,
    HASH_NAMES,
    ArchiveEntry,
    entries_of_columns,
    in_batches,
    is_size,
    to_size,
)
from casfs.tree.inventory.service_csv import ServiceCsvReader
from casfs.tree.inventory.text import LONGEST, InventoryText

_HEADER = re.compile(f"{','.join(COLUMNS)},(?:{'|'.join(HASH_NAMES)})\r?\n")
_LONGEST_HEADER = 100
_TEXT = r'"([^"]*+(?:""[^"]*+)*+)"'
_RECORD = re.compile(rf"{_TEXT},(?:{_TEXT})?,(?:{_TEXT})?,([0-9]*+),(?:{_TEXT})?\r?\n")
"""A record of ours; a group that is None is null, an empty one is an empty text."""
_LINE = re.compile("\n")
_USUAL = re.compile(
    '"([^"]++)","([^"]*+)","([^"]*+)",([0-9]{1,18}+),"([^"]*+)"\r?\n|(.++)', re.DOTALL
)
"""A record without nulls and doubled quotes, as nearly all are; otherwise all of the rest."""


def open_csv(text: InventoryText, on_bad: OnBad) -> "CsvReader | ServiceCsvReader":
    """Return a reader of CSV.

    Raises:
        OSError: as the file does.
    """
    while len(text.text) - text.at < _LONGEST_HEADER and text.grow():
        pass
    header = _HEADER.match(text.text, text.at)
    if header is None:
        return ServiceCsvReader(text, on_bad)
    while header.end() == len(text.text) and text.grow():
        header = _HEADER.match(text.text, text.at) or header
    if not text.text.startswith('"', header.end()):
        return ServiceCsvReader(text, on_bad)
    while _RECORD.match(text.text, header.end()) is None:
        if len(text.text) - text.at > LONGEST or not text.grow():
            return ServiceCsvReader(text, on_bad)
        header = _HEADER.match(text.text, text.at) or header
    text.at = header.end()
    return CsvReader(text, on_bad)


class CsvReader:
    """An inventory in our own CSV; see `InventoryReader`.

    Args:
        text: the inventory, from its first record.
        on_bad: is called with what is not a record, which extends to the next line that begins one.
    """

    def __init__(self, text: InventoryText, on_bad: OnBad) -> None:
        self._source = text
        self._on_bad = on_bad
        self.facts: dict[str, Any] = {}

    def batches(self) -> Iterator[list[ArchiveEntry]]:
        """Yield all entries, as `InventoryReader` says."""
        return in_batches(self._runs())

    def _runs(self) -> Iterator[list[ArchiveEntry]]:
        source, read = self._source, 0
        more = True
        while more:
            run = self._usual()
            read += len(run)
            while (record := _RECORD.match(source.text, source.at)) is not None:
                source.at = record.end()
                read += 1
                run += self._entry(record, read)
            yield run
            # A record may span many lines: what is not one shows once it cannot go on.
            left = len(source.text) - source.at
            resumed = left > LONGEST and self._resume(read + 1)
            more = resumed or source.grow()
            if left and not more:
                more = resumed = self._resume(read + 1)
            read += resumed
        if source.at < len(source.text):
            raise InventoryError(
                f"the inventory is malformed or truncated at character {source.position}: entry "
                f"{read + 1} is not a valid record; make it again"
            )

    def _resume(self, number: int) -> bool:
        """Resume after what is not a record, at the next line that begins one, if there is any."""
        source = self._source
        for line in _LINE.finditer(source.text, source.at):
            if _RECORD.match(source.text, line.end()):
                self._on_bad(BadRecord(f"entry {number} is not a valid record"))
                source.at = line.end()
                return True
        return False

    def _entry(self, record: re.Match[str], number: int) -> list[ArchiveEntry]:
        identifier, description, created, size, tree_hash = record.groups()
        if not identifier:
            self._on_bad(BadRecord(f"entry {number} has no ArchiveId"))
            return []
        identifier = identifier.replace('""', '"')
        if not is_size(size):
            reason = f"entry {number}: its Size is not a number of bytes"
            self._on_bad(BadRecord(reason, identifier))
            return []
        others = _undoubled(description), _undoubled(created), to_size(size), _undoubled(tree_hash)
        return [ArchiveEntry(identifier, *others)]

    def _usual(self) -> list[ArchiveEntry]:
        """Take the usual records at the beginning of what is read."""
        source = self._source
        found = _USUAL.findall(source.text, source.at)
        rest = found.pop()[-1] if found and found[-1][-1] else ""
        source.at = len(source.text) - len(rest)
        return entries_of_columns(*list(zip(*found, strict=True))[:-1]) if found else []


def _undoubled(text: str | None) -> str | None:
    return text.replace('""', '"') if text and '"' in text else text
