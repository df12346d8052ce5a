r"""Writes inventories.

JSON has the service's shape, one archive per line. Text is plain UTF-8; a lone surrogate, which
stands for what is not UTF-8, is escaped (`\udcff`).

CSV is RFC 4180 with line feeds: text in double quotes, which are doubled inside it, a size in
digits, nothing at all for null. What is not UTF-8 has its original bytes.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from casfs.tree.inventory.entry import COLUMNS, ArchiveEntry
from casfs.tree.inventory.text import to_bytes

_AT_ONCE = 100
"""Archives to join at a time: with more, the allocator returns the memory each time, which costs as
much as everything else."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# One that follows a high surrogate stays as it is: escaped, it would complete the pair.
_LONE = re.compile("(?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff]")


def to_json(
    facts: Mapping[str, Any], hash_name: str, batches: Iterable[list[ArchiveEntry]]
) -> Iterator[bytes]:
    """Yield an inventory in JSON.

    Args:
        facts: what precedes ArchiveList.
        hash_name: the service's name of a tree hash.
        batches: the archives.
    """
    # Without its end, which the list precedes.
    yield _json({**facts, "ArchiveList": []}).removesuffix(b"]}")
    before = b"\n"
    for batch in batches:
        for at in range(0, len(batch), _AT_ONCE):
            few = batch[at : at + _AT_ONCE]
            yield before + b",\n".join([_json_record(entry, hash_name) for entry in few])
            before = b",\n"
    yield b"\n]}\n"


def to_csv(hash_name: str, batches: Iterable[list[ArchiveEntry]]) -> Iterator[bytes]:
    """Yield an inventory in CSV.

    Args:
        hash_name: the service's name of a tree hash.
        batches: the archives.
    """
    yield f"{','.join(COLUMNS)},{hash_name}\n".encode()
    for batch in batches:
        records = [_csv_record(entry) for entry in batch]
        try:
            yield "".join(records).encode()
        except UnicodeEncodeError:
            yield b"".join([to_bytes(record) for record in records])


def _json_record(entry: ArchiveEntry, hash_name: str) -> bytes:
    identifier, description, created, size, tree_hash = entry
    facts = {
        "ArchiveId": identifier,
        "ArchiveDescription": description,
        "CreationDate": created,
        "Size": size,
        hash_name: tree_hash,
    }
    try:
        return orjson.dumps(facts)
    except orjson.JSONEncodeError:
        return _json(facts)


def _json(value: Any) -> bytes:
    """Return JSON as orjson does, also of values that it rejects for lone surrogates."""
    return to_bytes(_LONE.sub(lambda lone: f"\\u{ord(lone[0]):04x}", _encode(value)))


def _csv_record(entry: ArchiveEntry) -> str:
    identifier, description, created, size, tree_hash = entry
    # Nearly all entries, and millions of them must be quick.
    if None not in entry and '"' not in f"{identifier}{description}{created}{tree_hash}":
        return f'"{identifier}","{description}","{created}",{size},"{tree_hash}"\n'
    return (
        f"{_quoted(identifier)},{_quoted(description)},{_quoted(created)},"
        f"{'' if size is None else size},{_quoted(tree_hash)}\n"
    )


def _quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'
