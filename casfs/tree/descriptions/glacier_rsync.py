"""Descriptions of glacier-rsync: `grsync|/home/u/a.jpg|43|1555056930.0|note`.

These are the path, bytes, seconds since 1970 and a free text. Path and free text may contain bars
too, so the first two numbers between bars count. Source: cagdasbas/glacier-rsync.
"""

import re

from casfs.tree.descriptions.described import Described, described_path
from casfs.tree.descriptions.encoded import seconds

_FIELDS = re.compile(r"grsync\|(.+?)\|[0-9]+\|(-?[0-9]+(?:\.[0-9]+)?)\|.*", re.DOTALL)


def decode(text: str) -> Described | None:
    """Decode a `grsync` description; return None for other texts."""
    fields = _FIELDS.fullmatch(text)
    return fields and described_path(fields[1], seconds(fields[2]))
