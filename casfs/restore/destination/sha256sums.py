"""Lines for `sha256sum -c` (GNU coreutils): a hash, two blanks and a path."""

import os
from collections.abc import Iterator

from casfs.restore.destination.manifest_index import ManifestIndex

_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"))


def sum_lines(index: ManifestIndex) -> Iterator[bytes]:
    """Yield a line for each restored file of a manifest."""
    for line in index.lines():
        if line.is_restored and line.sha256 is not None:
            yield sum_line(line.sha256, line.path)


def sum_line(sha256: str, path: str) -> bytes:
    """Return the line of a file; a name with a line feed or a backslash is escaped."""
    name = os.fsencode(path)
    escaped = name
    for plain, escape in _ESCAPES:
        escaped = escaped.replace(plain, escape)
    mark = b"\\" if escaped != name else b""
    return mark + sha256.encode() + b"  " + escaped + b"\n"
