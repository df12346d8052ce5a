"""An archive as an inventory lists it."""

from collections.abc import Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

from casfs.tree.inventory.bad_records import BadRecord, OnBad

BATCH = 1000
"""Entries per batch."""
HASH_NAMES = ("SHA256TreeHash", "ArchiveTreeEtag")
"""The services' names for the tree hash of an archive: Amazon and Tencent, and Aliyun."""
COLUMNS = ("ArchiveId", "ArchiveDescription", "CreationDate", "Size")
"""Their names for the rest."""
_NO_SIZE = 1 << 63
_USUAL = [itemgetter(*COLUMNS, name) for name in HASH_NAMES]
_MOST_DIGITS = 19


class ArchiveEntry(NamedTuple):
    """An archive of an inventory.

    Text is the service's, unchanged; what is missing or null is None. Text may contain lone
    surrogates: U+DC80 to U+DCFF for the bytes 0x80 to 0xFF that are not UTF-8, as with
    `surrogateescape`, and any from JSON's escapes.

    Attributes:
        id: the archive's identifier, never empty.
        description: as given at the upload.
        created: when it was uploaded, ISO 8601.
        size: bytes.
        tree_hash: hexadecimal.
    """

    id: str
    description: str | None
    created: str | None
    size: int | None
    tree_hash: str | None


_new = partial(tuple.__new__, ArchiveEntry)


def entries_of(values: list[Any], first: int, on_bad: OnBad) -> list[ArchiveEntry]:
    """Return the entries that JSON objects describe; unknown keys are ignored.

    Args:
        values: what is in ArchiveList.
        first: number of the first one, for messages.
        on_bad: is called with what is not an object, has no ArchiveId, or has a value of a wrong
            type.
    """
    entries = []
    has_first_name = bool(values) and type(values[0]) is dict and HASH_NAMES[0] in values[0]
    usual = _USUAL[not has_first_name]
    for number, value in enumerate(values, first):
        # Nearly all are as they should be, and millions of them must be quick.
        try:
            fields = usual(value)
        except (KeyError, TypeError):
            entries += _entry_of(value, number, on_bad)
            continue
        identifier, description, created, size, tree_hash = fields
        if (
            type(identifier) is str
            and type(description) is str
            and type(created) is str
            and type(size) is int
            and type(tree_hash) is str
            and identifier
            and 0 <= size < _NO_SIZE
        ):
            entries.append(_new(fields))
        else:
            entries += _entry_of(value, number, on_bad)
    return entries


def _entry_of(value: Any, number: int, on_bad: OnBad) -> list[ArchiveEntry]:
    """Return an entry, or nothing if it is bad."""
    if type(value) is not dict:
        on_bad(BadRecord(f"entry {number} is not an object"))
        return []
    identifier = value.get("ArchiveId")
    if type(identifier) is not str or not identifier:
        on_bad(BadRecord(f"entry {number} has no ArchiveId"))
        return []
    description, created = value.get("ArchiveDescription"), value.get("CreationDate")
    tree_hash = value.get("SHA256TreeHash")
    if tree_hash is None:
        tree_hash = value.get("ArchiveTreeEtag")
    for text in (description, created, tree_hash):
        if text is not None and type(text) is not str:
            reason = f"entry {number} has {text!r:.40} where there should be text"
            on_bad(BadRecord(reason, identifier))
            return []
    size = value.get("Size")
    if not is_size(size):
        on_bad(BadRecord(f"entry {number}: its Size is not a number of bytes", identifier))
        return []
    return [ArchiveEntry(identifier, description, created, to_size(size), tree_hash)]


def is_size(value: Any) -> bool:
    """Return whether a value is a size: a number from 0, as such or in digits, or missing."""
    if type(value) is str:
        digits = len(value) <= _MOST_DIGITS and value.isascii() and value.isdecimal()
        return not value or (digits and int(value) < _NO_SIZE)
    return value is None or (type(value) is int and 0 <= value < _NO_SIZE)


def to_size(value: Any) -> int | None:
    """Return a size in bytes; None for one that is missing."""
    return None if value is None or value == "" else int(value)


def entries_of_columns(
    identifiers: Iterable[str],
    descriptions: Iterable[str],
    created: Iterable[str],
    sizes: Iterable[str],
    tree_hashes: Iterable[str],
) -> list[ArchiveEntry]:
    """Return entries from columns of values; `sizes` are digits."""
    columns = zip(identifiers, descriptions, created, map(int, sizes), tree_hashes, strict=True)
    return list(map(_new, columns))


def in_batches(runs: Iterable[list[ArchiveEntry]]) -> Iterator[list[ArchiveEntry]]:
    """Yield the entries of all runs in order, `BATCH` at a time, and then the rest."""
    batch: list[ArchiveEntry] = []
    for run in runs:
        batch += run
        while len(batch) >= BATCH:
            yield batch[:BATCH]
            del batch[:BATCH]
    if batch:
        yield batch
