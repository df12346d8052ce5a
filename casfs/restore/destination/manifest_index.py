"""A manifest that is read: the last line for each path, however many lines there are."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from casfs.errors import CasfsError, ConfigError
from casfs.reasons import reason
from casfs.restore.destination.line_check import (
    LONGEST_LINE,
    facts_of,
    is_archive_line,
    is_torn_header,
    times_of,
)
from casfs.restore.destination.manifest import (
    STATES,
    UNVERIFIED,
    VERIFIED,
    ManifestLine,
    check_header,
)

_AT_ONCE = 1000
_TABLE = "CREATE TABLE lines (place INTEGER PRIMARY KEY, path BLOB, restored INTEGER)"
_INDEX = "CREATE INDEX by_path ON lines (path, place, restored)"
_REMOVE_REPLACED = """DELETE FROM lines WHERE place IN (
    SELECT place FROM (
        SELECT place, path = lead(path) OVER (ORDER BY path, place) AS replaced FROM lines
    ) WHERE replaced
)"""
"""Sorting all lines once is much faster than keeping an index of paths, which are in no order."""


class ManifestIndex:
    """A manifest that is read: the last line for each path, however many there are.

    A million lines take no memory: where each is, is noted in a temporary file. A restore may write
    to it meanwhile: it appends lines, and may cut off again what it could not write as a whole. A
    context manager.

    Args:
        path: of the manifest.

    Attributes:
        header: facts of its first line.
        runs: facts of the lines with which runs began and ended.
        damaged: how many lines cannot be read; one that was being written is none of them.
        span: when the first and the last of what its lines tell happened, in seconds since 1970;
            None if they tell no times.

    Raises:
        ConfigError: it cannot be read, or is not a manifest.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: list[dict[str, Any]] = []
        self.damaged = 0
        self.span: tuple[float, float] | None = None
        self._ended = 0
        """Runs that came to their end."""
        self._places = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        with ExitStack() as stack:
            stack.callback(self._places.close)
            try:
                self._file = stack.enter_context(path.open("rb"))
                first = self._file.readline(LONGEST_LINE)
                if is_torn_header(first):
                    raise ConfigError(f"{path} holds nothing yet: the restore has only just begun")
                self.header = check_header(first, path)
                self._read()
            except CasfsError:
                raise
            except OSError as error:
                raise ConfigError(f"the manifest {path} cannot be read: {reason(error)}") from error
            self._stack = stack.pop_all()

    def __enter__(self) -> "ManifestIndex":
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def __len__(self) -> int:
        """Return how many paths it has."""
        return self._number("SELECT count(*) FROM lines")

    @property
    def restored(self) -> int:
        """Return how many paths were restored."""
        return self._number("SELECT count(restored) FROM lines")

    def facts(self) -> Iterator[dict[str, Any]]:
        """Yield the facts of the last line for each path, in the order of the lines."""
        for place, key in self._places.execute("SELECT place, path FROM lines ORDER BY place"):
            found = self._facts(place, key)
            if found is not None:
                yield found

    def lines(self) -> Iterator[ManifestLine]:
        """Yield the last line for each path, in the order in which they were written."""
        return map(ManifestLine.of, self.facts())

    def get(self, path: str) -> ManifestLine | None:
        """Return the last line for a path, None if there is none."""
        key = _key(path)
        found = self._places.execute("SELECT place FROM lines WHERE path = ?", (key,)).fetchone()
        facts = None if found is None else self._facts(found[0], key)
        return None if facts is None else ManifestLine.of(facts)

    def is_current(self, path: str) -> bool:
        """Return whether a path was restored by a run that has not come to its end yet."""
        query = "SELECT restored FROM lines WHERE path = ?"
        found = self._places.execute(query, (_key(path),)).fetchone()
        return found is not None and found[0] == self._ended

    def _read(self) -> None:
        self._places.execute(_TABLE)
        self._places.execute("BEGIN")
        page: list[tuple[int, bytes, int | None]] = []
        for place, raw in self._lines():
            facts = facts_of(raw)
            kind = facts["type"] if facts is not None else None
            if facts is None or (kind == "archive" and not self._is_sound(facts)):
                self.damaged += 1
            elif kind == "archive":
                restored = facts["state"] in (VERIFIED, UNVERIFIED)
                page.append((place, _key(facts["path"]), self._ended if restored else None))
                if len(page) == _AT_ONCE:
                    self._write(page)
            elif kind in ("run", "end"):
                self.runs.append(facts)
                self._ended += kind == "end" and facts.get("status") in (0, 1, 3)
        self._write(page)
        self._places.execute(_INDEX)
        self._places.execute(_REMOVE_REPLACED)
        self._places.execute("COMMIT")

    def _is_sound(self, facts: dict[str, Any]) -> bool:
        """Return whether a line about an archive is one; note its times if it is."""
        times = times_of(facts)
        if times is None or not is_archive_line(facts, STATES):
            return False
        if times:
            first, last = self.span or (times[0], times[0])
            self.span = min(first, *times), max(last, *times)
        return True

    def _write(self, page: list[tuple[int, bytes, int | None]]) -> None:
        self._places.executemany("INSERT INTO lines VALUES (?, ?, ?)", page)
        page.clear()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield each whole line and where it is; one that is too long is damaged."""
        place = self._file.tell()
        while raw := self._file.readline(LONGEST_LINE):
            length = len(raw)
            while len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
                raw = self._file.readline(LONGEST_LINE)
                length += len(raw)
            if length > LONGEST_LINE:
                raw = b"?\n"
            # What has no end yet is being written, or was when its process ended: it never counted.
            if raw.strip() and raw.endswith(b"\n"):
                yield place, raw
            place += length

    def _facts(self, place: int, key: bytes) -> dict[str, Any] | None:
        """Return the facts of the line about a path, None if it was cut off since it was found."""
        self._file.seek(place)
        raw = self._file.readline(LONGEST_LINE)
        facts = facts_of(raw) if raw.endswith(b"\n") else None
        path = None if facts is None else facts.get("path")
        return facts if isinstance(path, str) and _key(path) == key else None

    def _number(self, query: str) -> int:
        return int(self._places.execute(query).fetchone()[0])


def _key(path: str) -> bytes:
    return hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).digest()
