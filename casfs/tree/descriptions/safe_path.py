"""From names as someone wrote them to names that are safe in a file system.

This comes after all decoding, and trusts none of it:

- `..`, control characters, line breaks, marks that change the direction of writing, lone
  surrogates, and `/` inside a name become `%` and two hexadecimal digits per byte. `%` itself
  stays, so that names come back as they were uploaded; where two names become one, the catalog
  gives the older archive its second name.
- Names that casfs assigns itself are escaped: `by-id` at the top, and those of `generated_names`.
- A name of more than 255 bytes, and a path that is too long or too deep, is cut and gets a hash of
  all of it.
"""

import re
from collections.abc import Sequence

from casfs.tree.descriptions.generated_names import cut_name, escape_marks
from casfs.tree.file_names import LONGEST, escape

BY_ID = "by-id"
"""The directory at the top with every archive under its id."""

LONGEST_PATH = 3072
"""The longest path in bytes; Linux allows 4096, mount point or target directory included."""

DEEPEST = 64
"""The most names in a path."""

_UNSAFE = re.compile(
    r"\A\.{1,2}\Z|[/\x00-\x1f\x7f-\x9f\ud800-\udfff"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
_TOP = {BY_ID: "by%2Did"}
_SURELY_SHORT = LONGEST // 4
_SURELY_FLAT = LONGEST_PATH // (LONGEST + 1)


def safe_path(names: Sequence[str], suffix: str = "") -> tuple[str, ...]:
    """Return safe file names, from the top.

    Args:
        names: at least one, and none of them empty.
        suffix: safe text to append to the last name.
    """
    path = [_escaped(name) for name in names]
    path[0] = _TOP.get(path[0], path[0])
    path[-1] += suffix
    # No character has more than four bytes.
    if len(path) <= _SURELY_FLAT and len(max(path, key=len)) <= _SURELY_SHORT:
        return tuple(path)
    return _fitted(path)


def _escaped(name: str) -> str:
    # Printable text has no control characters, direction marks or lone surrogates.
    if name.isprintable() and not ("~" in name or "/" in name or name[0] == "."):
        return name
    return escape_marks(escape(_UNSAFE, name))


def _fitted(path: list[str]) -> tuple[str, ...]:
    fitted = [name if _size(name) <= LONGEST else cut_name(name, name) for name in path]
    if len(path) <= DEEPEST and _size("/".join(fitted)) <= LONGEST_PATH:
        return tuple(fitted)
    room = LONGEST_PATH - LONGEST
    kept: list[str] = []
    for name in fitted[: DEEPEST - 1]:
        room -= _size(name) + 1
        if room < 0:
            break
        kept.append(name)
    return (*kept, cut_name(path[-1], "/".join(path)))


def _size(text: str) -> int:
    return len(text.encode())
