"""Whether a line of a manifest is one that casfs could have written.

A manifest may come from anywhere, and rot. What is wrong in one line must neither end the reading
of the others nor be taken for true.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

LONGEST_LINE = 1 << 20
"""Bytes; a line that is longer is not read."""
_HEAD = b'{"type": "header"'
_MOST = 1 << 63
_LATEST = datetime(9000, 1, 1, tzinfo=UTC).timestamp()
_TEXTS = ("mtime", "tree_hash", "algorithm", "sha256", "job", "reason")


def is_torn_header(begin: bytes) -> bool:
    """Return whether a manifest, with this beginning, was torn while its first line was written.

    It holds nothing then. What was never a manifest is not torn.
    """
    if b"\n" in begin or len(begin) >= LONGEST_LINE:
        return False
    return begin.startswith(_HEAD) or _HEAD.startswith(begin) or not begin.strip(b"\0")


def is_begun(path: Path) -> bool:
    """Return whether a manifest is there, and is more than a torn first line."""
    try:
        with path.open("rb") as file:
            return not is_torn_header(file.read(LONGEST_LINE))
    except FileNotFoundError:
        return False
    except OSError:
        # Whoever reads it tells why that fails.
        return True


def facts_of(raw: bytes) -> dict[str, Any] | None:
    """Return the facts of a line, None if it is damaged."""
    try:
        facts = orjson.loads(raw)
    except orjson.JSONDecodeError:
        facts = _other_facts(raw)
    return facts if isinstance(facts, dict) and isinstance(facts.get("type"), str) else None


def _other_facts(raw: bytes) -> object:
    """Return what orjson refuses, such as names that are not UTF-8; None if it is damaged."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def is_archive_line(facts: Mapping[str, Any], states: tuple[str, ...]) -> bool:
    """Return whether a line about an archive has what it must, and nothing of a wrong kind.

    Its times are left to `times_of`.

    Args:
        facts: of the line.
        states: which there are.
    """
    if not (
        _is_path(facts.get("path"))
        and isinstance(facts.get("archive"), str)
        and facts.get("state") in states
        and _is_count(facts.get("fetched", 0))
        and _is_count(facts.get("cached", 0))
        and (facts.get("size") is None or _is_count(facts["size"]))
    ):
        return False
    for name in _TEXTS:
        fact = facts.get(name)
        if fact is not None and not isinstance(fact, str):
            return False
    return True


def times_of(facts: Mapping[str, Any]) -> list[float] | None:
    """Return when what a line tells happened, in seconds since 1970; None if those are no times."""
    times = facts.get("times", {})
    if not isinstance(times, dict):
        return None
    try:
        found = [datetime.fromisoformat(text).timestamp() for text in times.values()]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if all(0 <= time < _LATEST for time in found) else None


def damaged_text(count: int) -> str:
    """Return what is to be said of lines that are damaged."""
    if count == 1:
        return "1 line of the manifest is damaged; it is unknown which file it recorded"
    return f"{count:,} lines of the manifest are damaged; it is unknown which files they recorded"


def _is_path(fact: object) -> bool:
    try:
        return isinstance(fact, str) and bool(os.fsencode(fact))
    except UnicodeEncodeError:
        return False


def _is_count(fact: object) -> bool:
    return type(fact) is int and 0 <= fact < _MOST
