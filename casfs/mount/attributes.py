"""Extended attributes, which the kernel never caches: programs ask for each of them twice.

What belongs to the content of a file is listed, so that a copy keeps it. What changes while the
content stays the same is answered by name only: in a copy it would soon be wrong.
"""

import threading
from collections.abc import Mapping
from typing import NamedTuple

from cachetools import TTLCache

from casfs.client import Client, Node, to_bytes
from casfs.mount.kernel_cache import SentAttributes
from casfs.mount.mount_tuning import TUNING

KIND = "user."
"""The only kind of extended attributes. For each entry, `ls -l` asks for three of other kinds,
unless it learns once that they are not supported."""
ATTRIBUTES = f"{KIND}casfs."
"""The prefix of all their names."""
_LARGEST = 1 << 16
"""The largest extended attribute in bytes (Linux); of a larger one no program gets anything."""


class _Known(NamedTuple):
    """The attributes that belong to a file's content."""

    node: Node
    attributes: Mapping[str, str]


class Attributes:
    """The extended attributes of all files.

    Lock order: its one lock guards what is remembered, and is innermost.

    Args:
        client: knows them.
        sent: knows which archive is open at a path.
    """

    def __init__(self, client: Client, sent: SentAttributes) -> None:
        self._client = client
        self._sent = sent
        self._lock = threading.Lock()
        self._known: TTLCache[str, _Known] = TTLCache(
            TUNING.attribute_files, TUNING.attribute_seconds
        )

    def names(self, path: str) -> list[str]:
        """Return the full names of the attributes that belong to the content of a file.

        Raises:
            CasfsError: as `Client.content_attributes`.
        """
        return [ATTRIBUTES + name for name in self._of_content(path)]

    def value(self, path: str, name: str) -> bytes | None:
        """Return the value of an attribute by its full name, None if the file has none.

        Raises:
            CasfsError: as `Client.attributes`.
        """
        short = name.removeprefix(ATTRIBUTES)
        if short == name:
            return None
        value = self._of_content(path).get(short)
        if value is None:
            value = self._client.attributes(self._node(path)).get(short)
        return None if value is None else to_bytes(value)[:_LARGEST]

    def _of_content(self, path: str) -> Mapping[str, str]:
        is_open = self._sent.open_at(path)
        with self._lock:
            known = self._known.get(path)
        if known is not None and is_open in (None, known.node):
            return known.attributes
        node = is_open or self._client.stat(path)
        attributes = self._client.content_attributes(node)
        with self._lock:
            self._known[path] = _Known(node, attributes)
        return attributes

    def _node(self, path: str) -> Node:
        return self._sent.open_at(path) or self._client.stat(path)
