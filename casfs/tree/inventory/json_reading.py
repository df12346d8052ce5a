r"""Reads inventories in JSON, entry by entry.

    {"VaultARN": text, "InventoryDate": date, "ArchiveList": [
      {"ArchiveId": text, "ArchiveDescription": text, "CreationDate": date, "Size": bytes,
       "SHA256TreeHash": text}, ...]}

Source: Amazon Glacier's "Get Job Output"; Tencent CAS has VaultQCS for VaultARN, Aliyun OAS has
VaultId and ArchiveTreeEtag for SHA256TreeHash.

The decoder is that of the standard library, over text that grows at its end; orjson takes runs of
well-formed entries. A streaming parser would be the obvious choice, but ijson (3.6,
yajl2_c) turns a lone surrogate such as `"\ud83d"` silently into `?`, and refuses a whole inventory
for one byte that is not UTF-8. Both are in inventories: official tools cut descriptions in the
middle of a character. orjson refuses both, and then the standard library decodes them.
"""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson

from casfs.errors import InventoryError
from casfs.tree.inventory.bad_records import BadRecord, OnBad
from casfs.tree.inventory.entry import ArchiveEntry, entries_of, in_batches
from casfs.tree.inventory.json_skipping import Skip, archive_id_in
from casfs.tree.inventory.text import LONGEST, InventoryText


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Not strict: an unescaped control character in a string has only one meaning.
_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse)


class JsonReader:
    """An inventory in JSON; see `InventoryReader`.

    Args:
        text: the inventory.
        on_bad: is called with each entry that cannot be read, though its end can be found.
    """

    def __init__(self, text: InventoryText, on_bad: OnBad) -> None:
        self._source = text
        self._on_bad = on_bad
        self._facts_length = 0
        self._read = 0
        self._tried = ""
        self.facts: dict[str, Any] = {}

    def batches(self) -> Iterator[list[ArchiveEntry]]:
        """Yield all entries, as `InventoryReader` says."""
        self._take("{", "an object")
        listed = False
        more = self._source.blanks() != "}"
        while more:
            key = self._value("a key")
            self._take(":", "a colon after a key")
            if key != "ArchiveList":
                self._add_fact(key)
            elif listed:
                raise self._error("there are two ArchiveLists")
            else:
                listed = True
                yield from in_batches(self._list())
            more = self._more("}")
        self._source.at += 1
        if not listed:
            raise self._error("there is no ArchiveList, so this is not an inventory")
        if self._source.blanks():
            raise self._error("there is something after the inventory")

    def _list(self) -> Iterator[list[ArchiveEntry]]:
        if self._source.blanks() == "n" and self._value("ArchiveList") is None:
            return
        self._take("[", "a list as ArchiveList")
        more = self._source.blanks() != "]"
        while more:
            values = self._run() or self._entry()
            yield entries_of(values, self._read + 1, self._on_bad)
            self._read += len(values) or 1
            more = self._more("]")
        self._source.at += 1

    def _run(self) -> list[Any]:
        """Take all complete entries at once; none if that does not work out.

        What looks like the end of an entry may be inside one. What is decoded up to there is a list
        only if it is not: so this is as exact as taking one entry after the other.
        """
        source = self._source
        if self._tried is source.text:
            return []
        self._tried = source.text
        end = source.text.rfind("},", source.at) + 1
        text = f"[{source.text[source.at : end]}]"
        values: list[Any]
        try:
            values = orjson.loads(text)
        except orjson.JSONDecodeError:
            try:
                values = _DECODER.decode(text)
            except (ValueError, RecursionError):
                return []
        if values:
            source.at = end
        return values

    def _entry(self) -> list[Any]:
        """Take the next entry, once all of it is read; nothing if it is bad.

        Raises:
            InventoryError: the inventory ends before the entry does.
        """
        source, what = self._source, f"entry {self._read + 1}"
        source.blanks()
        while True:
            try:
                value, end = _DECODER.raw_decode(source.text, source.at)
            except RecursionError:
                reason = f"{what} is nested too deeply"
            except ValueError as error:
                reason = f"{what} is malformed ({_message(error)})"
            else:
                # A number continues as long as there are digits.
                if end < len(source.text) or not source.grow():
                    source.at = end
                    return [value]
                continue
            end, ended = Skip().find_end(source.text, source.at)
            if ended:
                self._on_bad(BadRecord(reason, archive_id_in(source.text[source.at : end])))
                source.at = end
                return []
            if len(source.text) - source.at > LONGEST:
                self._skip(what)
                return []
            if not source.grow():
                raise self._error(f"{reason}, or truncated")

    def _skip(self, what: str) -> None:
        """Skip an entry that is too long, without holding it in memory."""
        source, skip = self._source, Skip()
        identifier = archive_id_in(source.text[source.at :])
        ended = False
        while not ended:
            source.at, ended = skip.find_end(source.text, source.at)
            if not ended and not source.grow():
                raise self._error(f"{what} is longer than {LONGEST} characters, and truncated")
        self._on_bad(BadRecord(f"{what} is longer than {LONGEST} characters", identifier))

    def _add_fact(self, key: Any) -> None:
        if type(key) is not str:
            raise self._error("a key is not a string")
        before = self._source.position
        self.facts[key] = self._value(key)
        self._facts_length += self._source.position - before + len(key)
        if self._facts_length > LONGEST:
            raise self._error("the fields beside ArchiveList are too long")

    def _value(self, what: str) -> Any:
        """Take any value, once all of it is read.

        Raises:
            InventoryError: it is malformed, truncated, nested too deeply, or too long.
        """
        source = self._source
        source.blanks()
        while True:
            try:
                value, end = _DECODER.raw_decode(source.text, source.at)
            except RecursionError:
                raise self._error(f"{what} is nested too deeply") from None
            except ValueError as error:
                if source.grow():
                    continue
                raise self._error(f"{what} is malformed or truncated ({_message(error)})") from None
            # A number continues as long as there are digits.
            if end < len(source.text) or not source.grow():
                source.at = end
                return value

    def _more(self, end: str) -> bool:
        """Take a comma; return False if the object or list ends instead."""
        source = self._source
        character = source.text[source.at : source.at + 1]
        if character not in (",", end):
            character = source.blanks()
        if character == ",":
            source.at += 1
            source.blanks()
            return True
        if character == end:
            return False
        raise self._error(f"there is no comma or {end} after {self._before()}")

    def _take(self, wanted: str, what: str) -> None:
        if self._source.blanks() != wanted:
            raise self._error(f"{what} is missing")
        self._source.at += 1

    def _before(self) -> str:
        return f"entry {self._read}" if self._read else "what precedes ArchiveList"

    def _error(self, what: str) -> InventoryError:
        return InventoryError(
            f"the inventory is malformed or truncated at character {self._source.position}: {what} "
            f"({self._read} entries before it); download it again"
        )


def _message(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
