r"""Bytes to text and back without loss: descriptions need not be UTF-8.

A byte that is not part of valid UTF-8 becomes a lone surrogate, U+DC80 to U+DCFF, as with Python's
`surrogateescape`: every sequence of bytes has a text of its own, and is restored from it. That
includes the three bytes that UTF-8 would use for a surrogate, were it allowed to.

JSON can also hold surrogates that represent no byte (`"\ud83d"`, half of a pair). These have only
those three bytes to go to.
"""

import codecs
import re
from typing import Protocol

from casfs.errors import InventoryError

LONGEST = 1 << 20
"""The most characters of an entry; more is not an entry, and would be held in memory."""
_PIECE = 256 << 10
"""Bytes to read at a time."""
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_BYTE_ORDER_MARK = "\ufeff"


class ByteSource(Protocol):
    """A source of bytes: `read` returns at most `size` bytes, none at the end."""

    def read(self, size: int, /) -> bytes: ...  # noqa: D102 - as above


class InventoryText:
    """The text that was read from a file and not taken yet.

    Attributes:
        text: characters, of which those before `at` are taken.
        at: where the next one is.
        ended: the file has nothing behind `text`.
    """

    def __init__(self, file: ByteSource) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._dropped = 0
        self.text = ""
        self.at = 0
        self.ended = False

    @property
    def position(self) -> int:
        """Characters of the file that were taken."""
        return self._dropped + self.at

    def grow(self) -> bool:
        """Read more of the file; return whether there was more.

        Raises:
            InventoryError: what is not taken yet is longer than any entry.
        """
        if self.ended:
            return False
        if len(self.text) - self.at > LONGEST:
            raise InventoryError(
                f"the text at character {self.position} is longer than {LONGEST} characters, so "
                "it is not an entry of an inventory; download the inventory again"
            )
        data = self._file.read(_PIECE)
        self.ended = not data
        more = self._decoder.decode(data, final=self.ended)
        if self.position == 0 and not self.text:
            more = more.removeprefix(_BYTE_ORDER_MARK)
        self._dropped += self.at
        self.text, self.at = self.text[self.at :] + more, 0
        return not self.ended or bool(more)

    def blanks(self) -> str:
        """Skip white space; return the next character without taking it, "" at the end."""
        while True:
            match = _BLANKS.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.grow():
                return ""


_BLANKS = re.compile(r"[ \t\r\n]*+")


def to_text(data: bytes) -> str:
    """Decode bytes without loss."""
    return data.decode(errors="surrogateescape")


def to_bytes(text: str) -> bytes:
    """Encode any text; `to_text` restores a text that it made."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _NO_BYTE.sub(_escaped, text).encode(errors="surrogateescape")


def _escaped(surrogate: re.Match[str]) -> str:
    return to_text(surrogate[0].encode(errors="surrogatepass"))
