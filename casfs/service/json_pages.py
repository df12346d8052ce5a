"""Pages of listings as JSON: bounded, and large ones item by item.

A page of a thousand jobs has about 1 MB. A service that does not page sends all at once, and
parsed as a whole that takes up to fifty times its size in memory.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import requests

from casfs.errors import WrongAnswerError
from casfs.service import fields
from casfs.service.bodies import whole_body
from casfs.service.service_tuning import TUNING

_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Page:
    """A page of a listing.

    Attributes:
        items: its entries, any JSON values.
        marker: of the next page, None if this was the last.
        size: bytes of it, decoded.
    """

    items: Iterable[Any]
    marker: str | None
    size: int


def read_page(answer: requests.Response, key: str) -> Page:
    """Return the page that an answer holds, whatever its Content-Type says.

    A null or empty marker ends a listing.

    Args:
        answer: the answer, its body unread.
        key: field with the entries.

    Raises:
        WrongAnswerError: it holds something else, or more than a page can have.
        HTTPError of urllib3: it broke off.
    """
    body = whole_body(answer, TUNING.page_limit)
    try:
        page = _parsed(body, key) if len(body) <= TUNING.description_limit else _scanned(body, key)
    except (ValueError, RecursionError) as error:
        raise WrongAnswerError(
            f"GET {answer.url}: {answer.status_code} without a page of a listing "
            f"({_why(error)}); check --endpoint"
        ) from None
    if page.marker is not None and len(page.marker) > TUNING.longest_marker:
        raise WrongAnswerError(
            f"GET {answer.url}: a marker of {len(page.marker)} characters; check --endpoint"
        )
    return page


def _parsed(body: bytearray, key: str) -> Page:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        # It also refuses half a surrogate pair, which some services send.
        answer = json.loads(body)
    if not isinstance(answer, dict) or not isinstance(answer.get(key), list):
        raise ValueError(f"no {key}")
    return Page(answer[key], fields.text(answer.get("Marker")), len(body))


def _scanned(body: bytearray, key: str) -> Page:
    scan = _Scan(body, key)
    # All of it is looked at before any of it counts: what comes later may not be JSON.
    for number, _ in enumerate(scan):
        if number == TUNING.most_entries:
            raise ValueError(f"more than {TUNING.most_entries} entries")
    if not scan.found:
        raise ValueError(f"no {key}")
    return Page(scan, fields.text(scan.marker), len(body))


def _why(error: Exception) -> str:
    # What json and codecs say quotes nothing; it is about places, not about content.
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


class _Scan:
    """The entries of a page, parsed one at a time, each time that they are iterated over.

    Raises:
        ValueError: while iterating: it is not a page.

    Attributes:
        found: whether there was a list of entries.
        marker: what the page says of the next one; known once all entries were iterated over.
    """

    def __init__(self, body: bytearray, key: str) -> None:
        self._body = body
        self._key = key
        self.found = False
        self.marker: Any = None

    def __iter__(self) -> Iterator[Any]:
        text = _Text(self._body)
        text.expect("{")
        separator = text.peek()
        if separator == "}":
            separator = text.take()
        while separator != "}":
            name = text.value()
            text.expect(":")
            if name == self._key:
                yield from self._entries(text)
            elif name == "Marker":
                self.marker = text.value()
            else:
                text.value()
            separator = text.take()
            if separator not in ",}":
                raise ValueError("no JSON")
        if text.peek():
            raise ValueError("more than one value")

    def _entries(self, text: "_Text") -> Iterator[Any]:
        text.expect("[")
        self.found = True
        separator = text.peek()
        if separator == "]":
            separator = text.take()
        while separator != "]":
            yield text.value()
            separator = text.take()
            if separator not in ",]":
                raise ValueError("no JSON")


class _Text:
    """The text of a body, of which only a window is in memory."""

    def __init__(self, body: bytearray) -> None:
        self._body = body
        self._next = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self._window = ""
        self._at = 0
        self._json = json.JSONDecoder()

    def peek(self) -> str:
        """Return the next character that is not blank, "" at the end."""
        while True:
            blank = _BLANK.match(self._window, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._fill():
                return ""

    def take(self) -> str:
        """Return the next character that is not blank, and go on behind it.

        Raises:
            ValueError: the body ends here.
        """
        found = self.peek()
        if not found:
            raise ValueError("cut JSON")
        self._at += 1
        return found

    def expect(self, wanted: str) -> None:
        """Go on behind a character.

        Raises:
            ValueError: the next one is another.
        """
        if self.take() != wanted:
            raise ValueError("no JSON object with a list")

    def value(self) -> Any:
        """Return the next value, and go on behind it.

        Raises:
            ValueError: there is none, or it is too large.
            RecursionError: it is nested too deeply.
        """
        self.peek()
        while True:
            try:
                found, end = self._json.raw_decode(self._window, self._at)
            except ValueError:
                if len(self._window) - self._at > TUNING.largest_item:
                    raise ValueError(
                        f"an entry of more than {TUNING.largest_item} characters"
                    ) from None
                if not self._fill():
                    raise
            else:
                # A number may go on behind the window, even where that cuts "1e+5" behind the 1.
                if end < len(self._window) - 2 or not self._fill():
                    self._at = end
                    return found

    def _fill(self) -> bool:
        """Move the window on; return whether there was anything left."""
        piece = bytes(self._body[self._next : self._next + TUNING.window])
        if not piece:
            return False
        self._next += len(piece)
        last = self._next >= len(self._body)
        self._window = self._window[self._at :] + self._decoder.decode(piece, last)
        self._at = 0
        return True
