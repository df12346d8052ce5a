r"""Reads inventories in the services' CSV, which no general parser reads right.

- The header may be missing, and the tree hash: four or five columns. A header may have others, in
  any order.
- A field with a comma or a quote stands in quotes, others may; or all of them do.
- In quotes a quote is written `\"`, but **a backslash is not escaped**: the text `x\` is `"x\"`.
  Doubled quotes are not known of any service, but cannot be mistaken for these.
- Lines end in LF or CRLF, and no description has line breaks.

So only the description can hold a comma or a quote, and a record is read from both ends towards it.
A description that is empty is an empty text, as this form has no null.

Source: rows of the live service in the unit tests of mt-aws-glacier; Amazon Glacier's "Initiate
Job" for the columns.
"""

import re
from collections.abc import Iterator
from itertools import chain
from operator import add
from typing import Any

from casfs.errors import InventoryError
from casfs.tree.inventory.entries import (
    COLUMNS,
    HASH_NAMES,
    ArchiveEntry,
    entries_of_columns,
    in_batches,
    size_of,
)
from casfs.tree.inventory.text import Text

_ID, _DESCRIPTION, _CREATED, _SIZE = COLUMNS
_HASH = "hash"
_FORMS = {
    _ID: '[^",\r]++',
    # To the first comma from which on the rest fits: fewer steps than back from the end.
    _DESCRIPTION: "(?:[^,]*+,)*?[^,]*+",
    _CREATED: "[0-9TZ:.+ -]*+",
    _SIZE: "[0-9]*+",
    _HASH: "(?:[0-9A-Fa-f]{64})?",
}
_GROUPS = dict(zip(_FORMS, ("id", "description", "created", "size", "hash"), strict=True))
_OTHER = '[^",\r]*+'
_STANDARD = (*COLUMNS, _HASH)
_MOST_COLUMNS = 32
"""Columns that a header may have; services name five. A pattern is made of them."""
_USUAL = re.compile(
    '^([^,]++),(?:"([^"]*+)"|([^,]*+)),([0-9TZ:.+-]++),([0-9]{1,18}+),([0-9A-Fa-f]{64})\n',
    re.MULTILINE,
)
"""Nearly every line, once it is seen that what is not in quotes has none."""
_BACKSLASHES = re.compile(r'[^"]*(?:(?<=\\)"[^"]*)*')
r"""Text in which each quote has a backslash before it; it has no two quotes in a row then."""
_DOUBLED = re.compile(r'[^"]*(?:""[^"]*)*')


class ServiceCsvReader:
    """An inventory in a service's CSV; see `InventoryReader`."""

    def __init__(self, text: Text) -> None:
        self._source = text
        self.facts: dict[str, Any] = {}

    def batches(self) -> Iterator[list[ArchiveEntry]]:
        """Yield all entries, as `InventoryReader` says."""
        return in_batches(self._runs())

    def _runs(self) -> Iterator[list[ArchiveEntry]]:
        read = 0
        record: _Record | None = None
        for lines, ended in self._lines():
            if record is None:
                first, _, others = lines.partition("\n")
                record, is_header = _form_of(first)
                lines = others if is_header else lines
            run = record.entries(lines, read + 1, ended)
            read += len(run)
            yield run

    def _lines(self) -> Iterator[tuple[str, bool]]:
        """Yield lines as they come, none empty first, and whether the last one's end is there."""
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
            more = source.grow()
        if rest := source.text[source.at :].removesuffix("\r"):
            yield rest, False


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
        """Tell whether a line can be a record of these columns."""
        return self._pattern.fullmatch(line) is not None

    def entries(self, lines: str, first: int, ended: bool) -> list[ArchiveEntry]:
        """Return what lines say.

        Args:
            lines: the lines.
            first: number of the first one's entry, for messages.
            ended: whether the end of the last one is there.

        Raises:
            InventoryError: one is no record of these columns, or may be cut off: its end is missing
                and its last field could go on.
        """
        found = _usual(lines) if self._is_standard and ended else None
        if found is None:
            numbered = enumerate(filter(None, lines.split("\n")), first)
            found = [self._entry(line, f"entry {number}", ended) for number, line in numbered]
        return found

    def _entry(self, line: str, where: str, ended: bool) -> ArchiveEntry:
        record = self._pattern.fullmatch(line)
        if record is None or not (ended or self._is_whole(record)):
            raise InventoryError(
                f"{where} of the inventory is malformed or cut off; fetch the inventory again"
            )
        get = record.groupdict().get
        description = get("description")
        if description and '"' in description:
            description = _unquoted(description, where)
        return ArchiveEntry(
            record["id"],
            description,
            get("created") or None,
            size_of(get("size"), where),
            get("hash") or None,
        )

    def _is_whole(self, record: re.Match[str]) -> bool:
        return self._columns[-1] == _HASH and bool(record["hash"])


def _usual(lines: str) -> list[ArchiveEntry] | None:
    """Return the entries of whole lines; None unless all of them are as nearly all are."""
    found = _USUAL.findall(lines)
    # As many matches as line ends: each is a line, and no line is missing.
    if not found or len(found) != lines.count("\n") or "\r" in lines:
        return None
    identifiers, quoted, plain, created, sizes, tree_hashes = zip(*found, strict=True)
    if '"' in "".join(chain(identifiers, plain)):
        return None
    # One of both is empty.
    descriptions = map(add, quoted, plain)
    return entries_of_columns(identifiers, descriptions, created, sizes, tree_hashes)


def _field(number: int, name: str) -> str:
    form = _FORMS.get(name, _OTHER)
    if name not in _GROUPS:
        return f'(?P<quote{number}>"?){form}(?P=quote{number})'
    group = f"(?P<{_GROUPS[name]}>{form})"
    return group if name == _DESCRIPTION else f'(?P<quote{number}>"?){group}(?P=quote{number})'


def _form_of(line: str) -> tuple[_Record, bool]:
    """Return how the records of a file are read, and whether its first line is a header.

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
            "entry; fetch it again"
        )
    if any(columns.count(name) > 1 for name in _FORMS):
        raise InventoryError("the inventory's header names a column twice; fetch it again")
    return _Record(columns), True


def _unquoted(field: str, where: str) -> str:
    """Return the description that a field stands for.

    Raises:
        InventoryError: its quotes stand for none.
    """
    if '"' not in field:
        return field
    inner = field[1:-1]
    if len(field) > 1 and field[0] == field[-1] == '"':
        if _BACKSLASHES.fullmatch(inner):
            return inner.replace('\\"', '"')
        if _DOUBLED.fullmatch(inner):
            return inner.replace('""', '"')
    raise InventoryError(f"{where}: its description is quoted wrongly; fetch the inventory again")
