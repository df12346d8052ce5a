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
from collections.abc import Iterator, Sequence
from typing import Any

from casfs.errors import InventoryError
from casfs.tree.inventory.entries import BATCH, COLUMNS, HASH_NAMES, ArchiveEntry, size_of
from casfs.tree.inventory.text import Text

_ID, _DESCRIPTION, _CREATED, _SIZE = COLUMNS
_HASH = "hash"
_FORMS = {
    _ID: '[^",\r]++',
    _DESCRIPTION: ".*",
    _CREATED: "[0-9TZ:.+ -]*+",
    _SIZE: "[0-9]*+",
    _HASH: "(?:[0-9A-Fa-f]{64})?",
}
_GROUPS = dict(zip(_FORMS, ("id", "description", "created", "size", "hash"), strict=True))
_OTHER = '[^",\r]*+'
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
        read = 0
        record: _Record | None = None
        batch: list[ArchiveEntry] = []
        for line, ended in self._lines():
            if record is None:
                columns = _header(line)
                record = _Record(columns or _columns_of(line))
                if columns:
                    continue
            batch.append(record.entry(line, f"entry {read + len(batch) + 1}", ended))
            if len(batch) == BATCH:
                read += BATCH
                yield batch
                batch = []
        if batch:
            yield batch

    def _lines(self) -> Iterator[tuple[str, bool]]:
        """Yield the lines that are not empty, and whether their end is there."""
        source = self._source
        while True:
            *lines, rest = source.text[source.at :].split("\n")
            for line in lines:
                source.at += len(line) + 1
                if line := line.removesuffix("\r"):
                    yield line, True
            if not source.grow():
                break
        if rest:
            yield rest.removesuffix("\r"), False


class _Record:
    """How the records of one file are read.

    Args:
        columns: names of its columns in their order.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        fields = (_field(number, name) for number, name in enumerate(columns))
        self._pattern = re.compile(",".join(fields), re.DOTALL)
        self._columns = columns

    def fits(self, line: str) -> bool:
        """Tell whether a line can be a record of these columns."""
        return self._pattern.fullmatch(line) is not None

    def entry(self, line: str, where: str, ended: bool) -> ArchiveEntry:
        """Return what a line says.

        Raises:
            InventoryError: it is no record of these columns, or may be cut off: its end is missing
                and the last field could go on.
        """
        record = self._pattern.fullmatch(line)
        if record is None or not (ended or (self._columns[-1] == _HASH and record["hash"])):
            raise InventoryError(
                f"{where} of the inventory is malformed or cut off; fetch the inventory again"
            )
        get = record.groupdict().get
        description = get("description")
        return ArchiveEntry(
            record["id"],
            None if description is None else _unquoted(description, where),
            get("created") or None,
            size_of(get("size"), where),
            get("hash") or None,
        )


def _field(number: int, name: str) -> str:
    form = _FORMS.get(name, _OTHER)
    if name not in _GROUPS:
        return f'(?P<quote{number}>"?){form}(?P=quote{number})'
    group = f"(?P<{_GROUPS[name]}>{form})"
    return group if name == _DESCRIPTION else f'(?P<quote{number}>"?){group}(?P=quote{number})'


def _header(line: str) -> list[str] | None:
    """Return the names of the columns if a line is a header."""
    names = [name.strip(' "') for name in line.split(",")]
    if _ID not in names:
        return None
    columns = [_HASH if name in HASH_NAMES else name for name in names]
    if any(columns.count(name) > 1 for name in _FORMS):
        raise InventoryError("the inventory's header names a column twice; fetch it again")
    return columns


def _columns_of(line: str) -> Sequence[str]:
    """Return the columns that there must be if the first line is no header."""
    for columns in ((*COLUMNS, _HASH), COLUMNS):
        if _Record(columns).fits(line):
            return columns
    raise InventoryError(
        "the inventory is neither JSON nor CSV: its first line is neither a header nor an entry; "
        "fetch it again"
    )


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
