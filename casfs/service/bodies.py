"""Bodies that are JSON or errors: decoded piece by piece, and never beyond a bound.

An answer may be gzip or deflate although nothing but identity was asked for: some proxies
compress whatever passes. Outputs are read elsewhere (`output_body`).
"""

import zlib
from collections.abc import Iterator

import requests

from casfs.errors import WrongAnswerError
from casfs.service.service_tuning import TUNING

_GZIP, _ZLIB, _RAW = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS


def whole_body(answer: requests.Response, limit: int) -> bytearray:
    """Return a body that is to be understood as a whole.

    Raises:
        WrongAnswerError: it is longer than `limit` bytes, or is encoded in a way that cannot be
            undone.
        HTTPError of urllib3: it broke off.
    """
    body = bytearray()
    for piece in _decoded(answer, limit):
        if len(body) + len(piece) > limit:
            raise _too_long(answer, limit)
        body += piece
    return body


def first_bytes(answer: requests.Response, limit: int) -> bytes:
    """Return a body, or the first `limit` bytes of it if it is longer.

    Raises:
        WrongAnswerError: it is encoded in a way that cannot be undone.
        HTTPError of urllib3: it broke off.
    """
    body = bytearray()
    for piece in _decoded(answer, limit):
        body += piece[: limit - len(body)]
        if len(body) == limit:
            break
    return bytes(body)


def _decoded(answer: requests.Response, limit: int) -> Iterator[bytes]:
    """Yield a body decoded, in pieces that are small even where it expands a thousandfold."""
    read = 0
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    decoder: _Decoder | None = None
    while piece := answer.raw.read(TUNING.piece, decode_content=False):
        read += len(piece)
        # What is compressed may bring nothing, for ever.
        if read > limit + TUNING.piece:
            raise _too_long(answer, limit)
        if encoding in ("", "identity"):
            yield piece
            continue
        decoder = decoder or _Decoder(answer, encoding, piece)
        yield from decoder.decode(piece)
    if decoder is not None:
        decoder.finish()


class _Decoder:
    """Undoes a Content-Encoding.

    Args:
        answer: the answer, for messages.
        encoding: its Content-Encoding, in lower case.
        begin: the first bytes of the body, which tell the two forms of "deflate" apart.
    """

    def __init__(self, answer: requests.Response, encoding: str, begin: bytes) -> None:
        self._answer = answer
        self._encoding = encoding
        if encoding in ("gzip", "x-gzip"):
            self._form = _GZIP
        elif encoding == "deflate":
            self._form = _ZLIB if _has_zlib_header(begin) else _RAW
        else:
            raise self._error("which was not requested")
        self._inflate = zlib.decompressobj(self._form)
        self._members = 1

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield what these bytes bring, piece by piece."""
        while data:
            if self._inflate.eof:
                # A file of gzip may have several members, one behind the other.
                self._members += 1
                if self._form != _GZIP or self._members > TUNING.most_members:
                    raise self._error("and continues after its end")
                self._inflate = zlib.decompressobj(self._form)
            try:
                piece = self._inflate.decompress(data, TUNING.piece)
            except zlib.error as error:
                raise self._error("but is not") from error
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece
        # Whatever zlib holds back comes before its end is reached.
        while not self._inflate.eof and (piece := self._inflate.decompress(b"", TUNING.piece)):
            yield piece

    def finish(self) -> None:
        """Check that nothing is missing."""
        if not self._inflate.eof:
            raise self._error("but ends early")

    def _error(self, why: str) -> WrongAnswerError:
        shown = "".join(filter(str.isprintable, self._encoding[:40]))
        return WrongAnswerError(
            f"GET {self._answer.url}: {self._answer.status_code} with Content-Encoding {shown!r}, "
            f"{why}; check --endpoint and any proxy on the way"
        )


def _has_zlib_header(begin: bytes) -> bool:
    """Return whether bytes begin as RFC 1950 says; what RFC 1951 says has no header."""
    return len(begin) > 1 and begin[0] & 15 == 8 and int.from_bytes(begin[:2], "big") % 31 == 0


def _too_long(answer: requests.Response, limit: int) -> WrongAnswerError:
    return WrongAnswerError(
        f"GET {answer.url}: {answer.status_code} with more than {limit >> 10} KiB instead of a "
        "listing or a description; check --endpoint and any proxy on the way"
    )
