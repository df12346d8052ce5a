"""Manifests of restores of very many archives, as `casfs restore` writes them."""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from casfs.restore.destination.manifest import (
    FAILED,
    SKIPPED,
    VERIFIED,
    ManifestLine,
    ManifestWriter,
    archive_line,
    now_text,
)
from casfs.restore.destination.own_directory import manifest_of

SIZE = 4096
_BEGUN = datetime(2026, 11, 20, tzinfo=UTC)
_LASTS = timedelta(hours=20)
_AT_ONCE = 500
"""Lines that a restore of small files appends at a time."""
_EVENTS = ("requested", "readable", "fetched", "verified")


def write_manifest(destination: Path, count: int) -> Path:
    """Write the manifest of a restore that lasted for 20 hours; return its path.

    Of a hundred archives one failed, and one was there already.

    Args:
        destination: directory that was restored to; is made, and gets nothing else.
        count: archives.
    """
    path = manifest_of(destination)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {
        "vault": "archives",
        "dialect": "cas",
        "endpoint": "https://cas.ap-chengdu.myqcloud.com",
        "destination": str(destination),
        "created": now_text(),
    }
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    writer = ManifestWriter(file, path, head)
    try:
        writer.append([{"type": "run", "run": "1", "time": now_text()}])
        page = []
        for line in _lines(count):
            page.append(archive_line(line))
            if len(page) == _AT_ONCE:
                writer.append(page)
                page = []
        end = {"type": "end", "run": "1", "time": now_text(), "status": 1, "reason": "some failed"}
        writer.append([*page, end])
    finally:
        writer.close()
    return path


def _lines(count: int) -> Iterator[ManifestLine]:
    for number in range(count):
        digest = hashlib.sha256(b"%d" % number).hexdigest()
        at = _BEGUN + _LASTS * (number / count)
        state = {7: FAILED, 8: SKIPPED}.get(number % 100, VERIFIED)
        is_restored = state == VERIFIED
        events = _EVENTS if is_restored else ("requested", state)
        yield ManifestLine(
            path=f"{number % 1000:03}/{number:08}.bin",
            archive=digest + digest[:40],
            state=state,
            size=SIZE,
            mtime="1514764800.000000000",
            tree_hash=digest,
            algorithm="sha256-tree",
            sha256=digest if is_restored else None,
            job=digest[:40] if is_restored else None,
            reason=None if is_restored else "the service has lost it",
            times={
                event: (at + timedelta(seconds=order)).isoformat(timespec="milliseconds")
                for order, event in enumerate(events)
            },
            fetched=SIZE if is_restored else 0,
        )
