r"""Reads inventories in the services' CSV, which no general parser reads correctly.

- The header may be missing, and so may the tree hash: four or five columns. A header may have
  others, in any order.
- A field with a comma or a quote is quoted, others may be; or all of them are.
- In quotes a quote is written `\"`, but **a backslash is not escaped**: the text `x\` is `"x\"`.
  Doubled quotes are not known from any service, but cannot be mistaken for these.
- Lines end in LF or CRLF, and no description has line breaks.

So only the description can contain a comma or a quote, and a record is read from both ends towards
it. An empty description is an empty text, as this form has no null.

Source: rows of the live service in the unit tests of mt-aws-glacier; Amazon Glacier's "Initiate
Job" for the columns.
"""

import re
from collections.abc import Iterator
from itertools import chain
from operator import add
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
from casfs.tree.inventory.text import LONGEST, InventoryText

_ID, _DESCRIPTION, _CREATED, _SIZE = COLUMNS
_HASH = "hash"
_FORMS = {
    _ID: '[^",\r]++',
    # Up to the first comma after which the rest fits: fewer steps than back from the end.
    _DESCRIPTION: "(?:[^,]*+,)*?[^,]*+",
    _CREATED: "[0-9TZ:.+ -]*+",
    _SIZE: "[0-9]*+",
    _HASH: "(?:[0-9A-Fa-f]{64})?",
}
_GROUPS = dict(zip(_FORMS, ("id", "description", "created", "size", "hash"), strict=True))
_OTHER = '[^",\r]*+'
_STANDARD = (*COLUMNS, _HASH)
_MOST_COLUMNS = 32
"""The most columns of a header, from which a pattern is made; services have five."""
_USUAL = re.compile(
    '^([^,\n]++),(?:"([^"\n]*+)"|([^,\n]*+)),([0-9TZ:.+-]++),([0-9]{1,18}+),([0-9A-Fa-f]{64})\n',
    re.MULTILINE,
)
"""Nearly every line, provided that what is not quoted contains no quotes.

No field crosses the end of its line: what fails at one line would be read again at each that
follows.
"""
_BACKSLASHES = re.compile(r'[^"]*(?:(?<=\\)"[^"]*)*')
r"""Text in which a backslash precedes each quote, so that it has no two quotes in a row."""
_DOUBLED = re.compile(r'[^"]*(?:""[^"]*)*')
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]+")
"""The characters of identifiers, with all services."""
_LINES_TO_TRY = 20
"""First lines that must contain a header or a record if the very first is malformed."""


class ServiceCsvReader:
    """An inventory in a service's CSV; see `InventoryReader`.

    Args:
        text: the inventory.
        on_bad: is called with each line that is not a record.
    """

    def __init__(self, text: InventoryText, on_bad: OnBad) -> None:
        self._source = text
        self._on_bad = on_bad
        self._read = 0
        self._record: _Record | None = None
        self.facts: dict[str, Any] = {}

    def batches(self) -> Iterator[list[ArchiveEntry]]:
        """Yield all entries, as `InventoryReader` says."""
        return in_batches(self._runs())

    def _runs(self) -> Iterator[list[ArchiveEntry]]:
        for lines, ended in self._lines():
            record = self._record
            if record is None:
                record, lines = self._begin(lines)
                self._record = record
            run = record.usual(lines) if ended else None
            if run is None:
                run = []
                for line in filter(None, lines.split("\n")):
                    run += self._entry(record, line, ended)
            else:
                self._read += len(run)
            yield run

    def _begin(self, lines: str) -> tuple["_Record", str]:
        """Return how to read the records of this file, and what follows its header.

        Raises:
            InventoryError: none of the first lines is a header or a record.
        """
        first = lines.split("\n", _LINES_TO_TRY)[:_LINES_TO_TRY]
        failure: InventoryError | None = None
        for number, line in enumerate(first, 1):
            try:
                record, is_header = _form_of(line)
            except InventoryError as error:
                failure = failure or error
                continue
            for bad in filter(None, first[: number - 1]):
                self._entry(record, bad, ended=True)
            return record, lines.split("\n", number - (not is_header))[-1]
        raise failure or InventoryError("the inventory has no lines; download it again")

    def _entry(self, record: "_Record", line: str, ended: bool) -> list[ArchiveEntry]:
        """Return the entry of a line, or nothing if it is bad.

        Raises:
            InventoryError: it may be truncated: its end is missing, and its last field may go on.
        """
        self._read += 1
        found = record.entry(line, f"entry {self._read}")
        if ended or (isinstance(found, ArchiveEntry) and record.is_whole(found)):
            if isinstance(found, ArchiveEntry):
                return [found]
            self._on_bad(found)
            return []
        raise InventoryError(
            f"entry {self._read} of the inventory is malformed or truncated; "
            "download the inventory again"
        )

    def _lines(self) -> Iterator[tuple[str, bool]]:
        """Yield lines as they arrive, none empty first, and whether the last one is complete."""
        source = self._source
        more = True
        while more:
            end = source.text.rfind("\n", source.at) + 1
            if end:
                lines = source.text[source.at : end]
                source.at = end
                if "\r" in lines:
                    lines = lines.replace("\r\n", "\n")
                if lines := lines.lstrip("\n"):
                    yield lines, True
            if len(source.text) - source.at > LONGEST and self._record is not None:
                self._skip_line(self._record)
            else:
                more = source.grow()
        if rest := source.text[source.at :].removesuffix("\r"):
            yield rest, False

    def _skip_line(self, record: "_Record") -> None:
        """Skip a line that is too long, without holding it in memory."""
        source = self._source
        self._read += 1
        identifier = record.id_in(source.text[source.at :])
        while (end := source.text.find("\n", source.at)) < 0:
            source.at = len(source.text)
            if not source.grow():
                raise InventoryError(
                    f"entry {self._read} of the inventory is truncated; download it again"
                )
        source.at = end + 1
        reason = f"entry {self._read} is longer than {LONGEST} characters"
        self._on_bad(BadRecord(reason, identifier))


class _Record:
    """How the records of one file are read.

    Args:
        columns: names of its columns in their order.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        fields = (_field(number, name) for number, name in enumerate(columns))
        self._pattern = re.compile(",".join(fields), re.DOTALL)
        self._columns = columns
        self._is_standard = columns == _STANDARD

    def fits(self, line: str) -> bool:
        """Return whether a line can be a record of these columns."""
        return self._pattern.fullmatch(line) is not None

    def usual(self, lines: str) -> list[ArchiveEntry] | None:
        """Return the entries of complete lines; None unless all of them are usual ones."""
        return _usual(lines) if self._is_standard else None

    def entry(self, line: str, where: str) -> ArchiveEntry | BadRecord:
        """Return what a line says."""
        record = self._pattern.fullmatch(line)
        if record is None:
            return BadRecord(f"{where} is not a valid record", self.id_in(line))
        get = record.groupdict().get
        description = get("description")
        if description and '"' in description:
            description = _unquoted(description)
            if description is None:
                return BadRecord(f"{where}: its description is quoted wrongly", record["id"])
        if not is_size(get("size")):
            return BadRecord(f"{where}: its Size is not a number of bytes", record["id"])
        size, tree_hash = to_size(get("size")), get("hash") or None
        return ArchiveEntry(record["id"], description, get("created") or None, size, tree_hash)

    def is_whole(self, entry: ArchiveEntry) -> bool:
        """Return whether an entry's line cannot continue, though its end is missing."""
        return self._columns[-1] == _HASH and bool(entry.tree_hash)

    def id_in(self, line: str) -> str | None:
        """Return the archive that a malformed line is about, None if that cannot be read."""
        place = self._columns.index(_ID)
        if _DESCRIPTION in self._columns[:place]:
            return None
        fields = line.split(",", place + 1)
        # A field at the end of the line may be truncated.
        found = fields[place].strip('"') if len(fields) > place + 1 else ""
        return found if _PLAIN_ID.fullmatch(found) else None


def _usual(lines: str) -> list[ArchiveEntry] | None:
    """Return the entries of complete lines; None unless all of them are usual ones."""
    found = _USUAL.findall(lines)
    # As many matches as line ends: each is a line, and no line is missing.
    if not found or len(found) != lines.count("\n") or "\r" in lines:
        return None
    identifiers, quoted, plain, created, sizes, tree_hashes = zip(*found, strict=True)
    if '"' in "".join(chain(identifiers, plain)):
        return None
    # One of the two is empty.
    descriptions = map(add, quoted, plain)
    return entries_of_columns(identifiers, descriptions, created, sizes, tree_hashes)


def _field(number: int, name: str) -> str:
    form = _FORMS.get(name, _OTHER)
    if name not in _GROUPS:
        return f'(?P<quote{number}>"?){form}(?P=quote{number})'
    group = f"(?P<{_GROUPS[name]}>{form})"
    return group if name == _DESCRIPTION else f'(?P<quote{number}>"?){group}(?P=quote{number})'


def _form_of(line: str) -> tuple[_Record, bool]:
    """Return how to read the records of a file, and whether its first line is a header.

    Raises:
        InventoryError: it is neither a header nor a record.
    """
    # A description may be the name of a column, but no header looks like a record.
    for standard in (_STANDARD, COLUMNS):
        record = _Record(standard)
        if record.fits(line):
            return record, False
    names = [name.strip(' "') for name in line.split(",", _MOST_COLUMNS)]
    columns = tuple(_HASH if name in HASH_NAMES else name for name in names)
    if _ID not in columns or len(columns) > _MOST_COLUMNS:
        raise InventoryError(
            "the inventory is neither JSON nor CSV: its first line is neither a header nor an "
            "entry; download it again"
        )
    if any(columns.count(name) > 1 for name in _FORMS):
        raise InventoryError("the inventory's header names a column twice; download it again")
    return _Record(columns), True


def _unquoted(field: str) -> str | None:
    """Return the description in a field; None if its quotes are malformed."""
    inner = field[1:-1]
    if len(field) > 1 and field[0] == field[-1] == '"':
        if _BACKSLASHES.fullmatch(inner):
            return inner.replace('\\"', '"')
        if _DOUBLED.fullmatch(inner):
            return inner.replace('""', '"')
    return None
