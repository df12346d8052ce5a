"""What an answer to Get Job Output carries: which bytes, how many, and where they are read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

import requests

from casfs.errors import WrongAnswerError
from casfs.service.failures import connection_error


@dataclass(frozen=True)
class Body:
    """The body of an answer to Get Job Output, to be read once, front to back.

    Attributes:
        first: offset in the output of the body's first byte.
        stop: offset in the output behind its last byte. A service that knows no ranges answers
            with all that the job has, whatever was asked.
        tree_hash: digest of exactly these bytes, if the service sent one.
        read_into: fills memory with the next bytes.
    """

    first: int
    stop: int
    tree_hash: bytes | None
    read_into: Callable[[memoryview], None]


_CONTENT_RANGE = re.compile(r"bytes[ =]\s*(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
"""The documentation of OAS writes "bytes=" as well; CAS's shows no example."""


_PIECE = 1 << 16
"""Bytes to read at a time of a body of which only the length is wanted."""


def _content_length(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _content_range(answer: requests.Response) -> tuple[int, int, int | None]:
    text = answer.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        raise WrongAnswerError(f"GET {answer.url}: 206 with Content-Range {text!r}")
    return int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3])


def source_of(answer: requests.Response) -> HTTPResponse:
    """Return the answer of the standard library below those of requests and urllib3.

    It fills memory of ours, where the others hand out copies; requests uses it in the same way.
    """
    source = answer.raw._original_response
    if not isinstance(source, HTTPResponse):
        raise WrongAnswerError(f"GET {answer.url}: the answer has no body to read")
    return source


def read_into(answer: requests.Response, memory: bytearray | memoryview) -> int:
    """Fill memory with the next bytes of a body, and return how many there were.

    Raises:
        UnreachableError: the connection broke or stalled.
    """
    try:
        return source_of(answer).readinto(memory)
    except (OSError, HTTPException) as error:
        raise connection_error("Get Job Output", str(answer.url), error) from error


def finish(answer: requests.Response) -> None:
    """Check that a body has ended, and give its connection back for the next request.

    Raises:
        WrongAnswerError: it goes on, which only a body without an announced length can.
        UnreachableError: see `read_into`.
    """
    if not source_of(answer).isclosed() and read_into(answer, bytearray(1)):
        raise WrongAnswerError(f"GET {answer.url}: the body is longer than the range")
    answer.raw.release_conn()


def answered_span(answer: requests.Response, asked: tuple[int, int], size: int) -> tuple[int, int]:
    """Return which bytes of a job's output an answer carries: those asked for, or all.

    Args:
        answer: the answer, its body unread.
        asked: first byte that was asked for, and the one behind the last.
        size: bytes of the job's output.

    Raises:
        WrongAnswerError: it carries others, or lengths that contradict each other.
    """
    span = (0, size)
    # The documentation of OAS gives a Content-Range to parts only, and 206 to the whole as well.
    whole = asked == span and "Content-Range" not in answer.headers
    if answer.status_code == requests.codes.partial_content and not whole:
        first, stop, total = _content_range(answer)
        if (first, stop) != asked or total not in (size, None):
            raise WrongAnswerError(
                f"GET {answer.url}: asked for bytes {asked[0]}-{asked[1] - 1} of {size}, "
                f"answered {answer.headers['Content-Range']}"
            )
        span = asked
    length = _content_length(answer)
    if length is not None and length != span[1] - span[0]:
        raise WrongAnswerError(
            f"GET {answer.url}: {length} bytes where {span[1] - span[0]} were announced"
        )
    return span


def total_size(answer: requests.Response) -> int | None:
    """Return the size of an output from an answer to a ranged GET, None if it tells none."""
    size = None
    if answer.status_code == requests.codes.partial_content:
        size = _content_range(answer)[2]
    else:
        size = _content_length(answer)
    # The body is not wanted, and a connection with an unread body cannot be used again.
    answer.raw.close()
    return size


def whole_size(answer: requests.Response) -> int:
    """Return the size of an output from an answer to a GET without a range.

    One whose length is not announced is read to its end.

    Raises:
        WrongAnswerError: it carries a part.
        UnreachableError: see `read_into`.
    """
    if answer.status_code == requests.codes.partial_content or "Content-Range" in answer.headers:
        raise WrongAnswerError(f"GET {answer.url}: a part, which does not tell the output's size")
    size = _content_length(answer)
    if size is None:
        size, memory = 0, bytearray(_PIECE)
        while found := read_into(answer, memory):
            size += found
    answer.raw.close()
    return size
