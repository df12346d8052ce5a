"""What an answer to Get Job Output carries: which bytes, how many, and where they are read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse

import requests

from casfs.errors import RequestError, ShortRangeError, WrongAnswerError
from casfs.service.body_reader import Receiver, source_of
from casfs.service.throttle import Throttle
from casfs.treehash import LEAF_SIZE, Digest


@dataclass(frozen=True)
class Body:
    """The body of an answer to Get Job Output, to be read once, front to back.

    Attributes:
        first: offset in the output of the body's first byte.
        stop: offset in the output behind its last byte. A service that knows no ranges answers
            with all that the job has, whatever was asked.
        announced: the answer says itself that it has so many bytes. Of one that does not, only the
            end tells; before that it may be anything.
        tree_hash: digest of exactly these bytes, if the service sent one.
        etag: what names the state of the output that they are of, if the service sent that.
        read_into: fills memory with the next bytes, as `Receiver.fill`.
        finish: checks that the body ends here; see `Receiver.finish`.
        behind: tells how often its bytes waited here to be read; see `Receiver.behind`.
    """

    first: int
    stop: int
    announced: bool
    tree_hash: Digest | None
    etag: str | None
    read_into: Callable[[memoryview], None]
    finish: Callable[[], None]
    behind: Callable[[], float | None]


_CONTENT_RANGE = re.compile(r"bytes[ =]\s*([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
"""The documentation of OAS writes "bytes=" as well; CAS's shows no example."""

_STATUSES = (requests.codes.ok, requests.codes.partial_content)
"""Any other 2xx is somebody else's: 203 says of itself that the bytes were changed on the way."""


def content_length(answer: requests.Response) -> int | None:
    """Return the announced length, None where chunks or the end of the connection tell.

    Raises:
        WrongAnswerError: it is announced in a way that can be read differently.
    """
    text = answer.headers.get("Content-Length")
    if text is None:
        return None
    # The same one twice comes joined by a comma, and means the same (RFC 9110, 8.6).
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise WrongAnswerError(f"GET {answer.url}: the Content-Length is {text!r}")
    return int(value)


def content_range(answer: requests.Response) -> tuple[int, int, int | None]:
    """Return a part's first byte, the one behind its last, and the bytes of the whole, if told.

    Raises:
        WrongAnswerError: it is not told in a form that is in use.
    """
    text = answer.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        raise WrongAnswerError(
            f"GET {answer.url}: {answer.status_code} with Content-Range {text!r}"
        )
    return int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3])


def check_form(answer: requests.Response) -> None:
    """Check that the body is the bytes of an output, in a form that they are sent in.

    Raises:
        WrongAnswerError: it is something else, or something that was made of them.
    """
    if answer.status_code not in _STATUSES:
        raise WrongAnswerError(f"GET {answer.url}: an output with status {answer.status_code}")
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise WrongAnswerError(
            f"GET {answer.url}: an output with Content-Encoding {encoding!r}, which are not the "
            "bytes that were archived; check the proxies between here and the service"
        )
    transfer = answer.headers.get("Transfer-Encoding", "").strip().lower()
    if transfer not in ("", "identity") and not (
        transfer == "chunked" and source_of(answer).chunked
    ):
        raise WrongAnswerError(f"GET {answer.url}: an output with Transfer-Encoding {transfer!r}")
    kind = answer.headers.get("Content-Type", "").strip().lower()
    if kind.startswith("multipart/byteranges"):
        raise WrongAnswerError(f"GET {answer.url}: several ranges instead of one")


def is_announced(answer: requests.Response, source: HTTPResponse) -> bool:
    """Return whether the answer says how long its body is; `answered_span` checks what it says."""
    # Where there are chunks, they count (RFC 9112, 6.3).
    return "Content-Length" in answer.headers and not source.chunked


def answered_span(answer: requests.Response, asked: tuple[int, int], size: int) -> tuple[int, int]:
    """Return which bytes of a job's output an answer carries: those asked for, or all.

    Without Content-Range it carries all. One that names other bytes, or whose length is that of
    others, is wrong, whatever its status: who changes an answer on the way may well change that.

    Args:
        answer: the answer, its body unread.
        asked: first byte that was asked for, and the one behind the last.
        size: bytes of the job's output.

    Raises:
        WrongAnswerError: it carries others, lengths that contradict each other, or no output.
        ShortRangeError: it carries the first of those asked for, as it may (RFC 9110, 15.3.7), and
            they were of several leaves, so that less can be asked for.
    """
    check_form(answer)
    span, short = (0, size), False
    partial = answer.status_code == requests.codes.partial_content
    # The documentation of OAS gives a Content-Range to parts only, and 206 to the whole as well.
    if "Content-Range" in answer.headers or (partial and asked != span):
        expected = asked if partial else span
        first, stop, total = content_range(answer)
        short = partial and _is_beginning((first, stop), asked)
        if ((first, stop) != expected and not short) or total not in (size, None):
            raise WrongAnswerError(
                f"GET {answer.url}: asked for bytes {asked[0]}-{asked[1] - 1} of {size}, answered "
                f"{answer.status_code} with {answer.headers['Content-Range']}"
            )
        span = first, stop
    length = content_length(answer)
    if length is not None and length != span[1] - span[0]:
        raise WrongAnswerError(
            f"GET {answer.url}: {length} bytes where {span[1] - span[0]} were announced"
        )
    if short:
        raise ShortRangeError(
            f"GET {answer.url}: {span[1] - span[0]} of {asked[1] - asked[0]} bytes are given"
        )
    return span


def _is_beginning(given: tuple[int, int], asked: tuple[int, int]) -> bool:
    """Return whether these bytes are the first of several leaves that were asked for."""
    return asked[1] - asked[0] > LEAF_SIZE and asked[0] == given[0] < given[1] < asked[1]


def body_of(
    answer: requests.Response,
    asked: tuple[int, int],
    size: int,
    tree_hash_header: str,
    received: Callable[[int], None],
    throttle: Throttle,
) -> Body:
    """Return the body of an answer, unread.

    Args:
        answer: the answer.
        asked: first byte of the job's output that was asked for, and the one behind the last.
        size: bytes of the job's output.
        tree_hash_header: the header that has the digest of the body.
        received: is notified how many bytes came, whenever some are read.
        throttle: limits how fast they are received.

    Raises:
        WrongAnswerError: as `answered_span`, or the digest cannot be read. The methods of the body
            raise it when that turns out to be shorter or longer.
        RequestError: a range that begins inside a MiB was asked for, and another one came.
        ShortRangeError: as `answered_span`.
    """
    first, stop = _given_span(answer, asked, size)
    receiver = Receiver(answer, received, throttle)
    return Body(
        first=first,
        stop=stop,
        announced=is_announced(answer, receiver.source),
        tree_hash=_tree_hash(answer, tree_hash_header),
        etag=answer.headers.get("ETag"),
        read_into=receiver.fill,
        finish=receiver.finish,
        behind=receiver.behind,
    )


def _given_span(answer: requests.Response, asked: tuple[int, int], size: int) -> tuple[int, int]:
    aligned = asked[0] % LEAF_SIZE == 0
    try:
        given = answered_span(answer, asked, size)
    except WrongAnswerError as error:
        if aligned:
            raise
        raise _no_range_inside(error) from error
    if not aligned and given != asked:
        # All of the output may be a lot, of which so little is wanted.
        raise _no_range_inside(f"GET {answer.url}: bytes {given[0]}-{given[1] - 1} came")
    return given


def _no_range_inside(reason: object) -> RequestError:
    return RequestError(f"a range that begins inside a MiB was not given: {reason}")


def _tree_hash(answer: requests.Response, header: str) -> Digest | None:
    text = answer.headers.get(header)
    if not text:
        return None
    try:
        return Digest(bytes.fromhex(text))
    except ValueError:
        raise WrongAnswerError(
            f"GET {answer.url}: the tree hash {text!r} is not hexadecimal"
        ) from None
