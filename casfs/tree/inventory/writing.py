r"""Writes inventories.

JSON has the service's shape, an archive a line. Text is UTF-8 as it is; a lone surrogate, which
stands for what is no UTF-8, is escaped (`\udcff`).

CSV is RFC 4180 with line feeds: a text in double quotes, which are doubled in it, a size in digits,
nothing at all for null. What is no UTF-8 has the bytes that it came with.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring as _text
from typing import Any

from casfs.tree.inventory.entries import COLUMNS, ArchiveEntry
from casfs.tree.inventory.text import to_bytes

_encode = json.JSONEncoder(ensure_ascii=False).encode
# One that follows the first half of a pair stays as it is: escaped it would become the other half.
_LONE = re.compile("(?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff]")


def to_json(
    facts: Mapping[str, Any], hash_name: str, batches: Iterable[list[ArchiveEntry]]
) -> Iterator[bytes]:
    """Yield an inventory in JSON.

    Args:
        facts: what stands before ArchiveList.
        hash_name: the service's name of a tree hash.
        batches: the archives.
    """
    head = "".join(f"{_encode(name)}: {_encode(value)}, " for name, value in facts.items())
    yield _json_bytes("{" + head + '"ArchiveList": [')
    before = "\n"
    for batch in batches:
        yield _json_bytes(before + ",\n".join([_json_record(one, hash_name) for one in batch]))
        before = ",\n"
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


# Most entries hold nothing that needs a closer look, and millions of them are to be quick.


def _json_record(entry: ArchiveEntry, hash_name: str) -> str:
    identifier, description, created, size, tree_hash = entry
    text = f"{identifier}{description}{created}{tree_hash}"
    if None not in entry and text.isprintable() and '"' not in text and "\\" not in text:
        return (
            f'{{"ArchiveId": "{identifier}", "ArchiveDescription": "{description}", '
            f'"CreationDate": "{created}", "Size": {size}, "{hash_name}": "{tree_hash}"}}'
        )
    return (
        f'{{"ArchiveId": {_text(identifier)}, '
        f'"ArchiveDescription": {"null" if description is None else _text(description)}, '
        f'"CreationDate": {"null" if created is None else _text(created)}, '
        f'"Size": {"null" if size is None else size}, '
        f'"{hash_name}": {"null" if tree_hash is None else _text(tree_hash)}}}'
    )


def _json_bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return to_bytes(_LONE.sub(lambda lone: f"\\u{ord(lone[0]):04x}", text))


def _csv_record(entry: ArchiveEntry) -> str:
    identifier, description, created, size, tree_hash = entry
    if None not in entry and '"' not in f"{identifier}{description}{created}{tree_hash}":
        return f'"{identifier}","{description}","{created}",{size},"{tree_hash}"\n'
    return (
        f"{_quoted(identifier)},{_quoted(description)},{_quoted(created)},"
        f"{'' if size is None else size},{_quoted(tree_hash)}\n"
    )


def _quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'
