"""The manifest of a restore: JSON lines, only ever appended to, each on disk before it counts.

The first line says what it is. A run adds a line when it begins and when it ends, and between them
one for each archive; of several lines for a path the last one holds. With it the files can be
verified on a machine that has no account.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from casfs.destination_errors import destination_error, sync_error
from casfs.errors import ConfigError
from casfs.restore.destination.line_check import LONGEST_LINE, is_torn_header
from casfs.treehash import MD5, SHA256, TreeHash

VERSION = 1
"""Of the format; later versions only add fields."""
NAME = "manifest.jsonl"
SUMS = "SHA256SUMS"

ALGORITHMS: Mapping[str, TreeHash] = {"sha256-tree": SHA256, "md5-tree": MD5}
"""Tree hashes by the names that the manifest has for them."""

VERIFIED, UNVERIFIED, SKIPPED, FAILED = "verified", "unverified", "skipped", "failed"
STATES = (VERIFIED, UNVERIFIED, SKIPPED, FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestLine:
    """What became of an archive.

    Attributes:
        path: of the file, as in a mount, below the directory of the restore.
        archive: id of the archive.
        state: `verified`, `unverified` (on disk as it was received, but no hash of the service
            vouches for it), `skipped` or `failed`.
        size: bytes, None if unknown.
        mtime: seconds since 1970 as decimal text.
        tree_hash: of the archive in hexadecimal, None if unknown.
        algorithm: of `tree_hash`, one of `ALGORITHMS`.
        sha256: of the file in hexadecimal; None if it was not computed.
        job: id of the job that brought it, None if none did.
        reason: why it was skipped, or failed.
        times: when it was `requested`, `readable`, `fetched` and `verified` (ISO 8601, UTC).
        fetched: bytes that were fetched from the service for it in this run.
        cached: bytes that came from the cache instead.
    """

    path: str
    archive: str
    state: str
    size: int | None = None
    mtime: str | None = None
    tree_hash: str | None = None
    algorithm: str | None = None
    sha256: str | None = None
    job: str | None = None
    reason: str | None = None
    times: dict[str, str] = field(default_factory=dict)
    fetched: int = 0
    cached: int = 0

    @property
    def is_restored(self) -> bool:
        """Return whether it is on disk, from a restore."""
        return self.state in (VERIFIED, UNVERIFIED)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "ManifestLine":
        """Return the line with some facts; those that this version does not know are left out.

        Raises:
            TypeError: a fact is missing.
        """
        known = {name: facts[name] for name in cls.__slots__ if name in facts}
        return cls(**known)


def mtime_text(nanoseconds: int) -> str:
    """Return a time as the manifest has it: seconds since 1970, with nine decimals."""
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}{abs(nanoseconds) // 10**9}.{abs(nanoseconds) % 10**9:09}"


def to_nanoseconds(text: str) -> int:
    """Return the time of `mtime_text`.

    Raises:
        ValueError: it is none.
    """
    whole, _, fraction = text.removeprefix("-").partition(".")
    found = int(whole) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0)
    return -found if text.startswith("-") else found


def now_text() -> str:
    """Return the time now as the manifest has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class ManifestWriter:
    """Appends to a manifest; used by one thread at a time.

    Args:
        file: descriptor of the manifest, open for reading and writing; this closes it.
        shown: its path, for messages.
        head: facts of the first line of a new one.

    Raises:
        DestinationError: it cannot be written.
        ConfigError: it is not a manifest.
    """

    def __init__(self, file: int, shown: Path, head: Mapping[str, Any]) -> None:
        self._file = file
        self._shown = shown
        begin = os.pread(file, LONGEST_LINE, 0)
        if is_torn_header(begin):
            os.ftruncate(file, 0)
            self.append([{"type": "header", "version": VERSION, **head}])
        else:
            check_header(begin.split(b"\n", 1)[0], shown)
            self._drop_torn_line()

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append lines; when this returns, they are on disk.

        Raises:
            DestinationError: they cannot be written.
        """
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        end, explained = os.lseek(self._file, 0, os.SEEK_END), destination_error
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            explained = sync_error
            os.fsync(self._file)
        except OSError as error:
            # Half a line would spoil the next one; the next run cuts it off, if this cannot.
            with suppress(OSError):
                os.ftruncate(self._file, end)
            shown = f"the manifest {self._shown}"
            raise explained(shown, self._shown.parent, error) from error

    def close(self) -> None:
        """Close it."""
        os.close(self._file)

    def _drop_torn_line(self) -> None:
        """Cut off what a process that was killed has left of a line, which never counted."""
        end = size = os.fstat(self._file).st_size
        while end and os.pread(self._file, 1, end - 1) != b"\n":
            end -= 1
        if end < size:
            os.ftruncate(self._file, end)


def archive_line(line: ManifestLine) -> dict[str, Any]:
    """Return a line as it is written."""
    return {"type": "archive", **{name: getattr(line, name) for name in ManifestLine.__slots__}}


def check_header(first: bytes, shown: Path) -> dict[str, Any]:
    """Return the facts of the first line of a manifest.

    Raises:
        ConfigError: it is not a manifest, or one of a later version.
    """
    try:
        facts = json.loads(first)
        version = int(facts["version"]) if facts["type"] == "header" else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        version = None
    if version is None:
        raise ConfigError(f"{shown} is not a manifest of casfs restore")
    if version > VERSION:
        raise ConfigError(f"{shown} was written by a later casfs; update this one")
    return dict(facts)
