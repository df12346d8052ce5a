"""How many bytes an output has, as an answer to a GET of it says."""

import time

import requests

from casfs.errors import UnreachableError, WrongAnswerError
from casfs.service.body_reader import finish, read_into, read_some, short, source_of
from casfs.service.output_body import (
    answered_span,
    check_form,
    content_length,
    content_range,
    is_announced,
)
from casfs.service.service_tuning import TUNING
from casfs.treehash import LEAF_SIZE


def total_size(answer: requests.Response) -> int | None:
    """Return the size of an output from an answer to a GET of its first leaf, None if it is silent.

    A part is read to its end, which must be where the answer has it. Where it breaks off before, or
    takes long, what the answer says counts: a line on which that happens each time has outputs,
    too. Of a whole output the announced length counts, and the body stays unread.

    Raises:
        WrongAnswerError: the answer contradicts itself, or is not an output.
    """
    _check_output(answer)
    size = content_length(answer) if is_announced(answer, source_of(answer)) else None
    if answer.status_code == requests.codes.partial_content:
        size = content_range(answer)[2]
    elif size == LEAF_SIZE:
        # That may be no more than what was asked for, from one that does not say so.
        size = None
    if not size:
        answer.raw.close()
        return size
    first, stop = answered_span(answer, (0, min(LEAF_SIZE, size)), size)
    if stop - first > LEAF_SIZE or not _comes_to_its_end(answer, stop - first):
        # The body is not wanted, and a connection with an unread body cannot be used again.
        answer.raw.close()
    return size


def _comes_to_its_end(answer: requests.Response, size: int) -> bool:
    """Read a body of so many bytes; return False if it breaks off, or takes long.

    Raises:
        WrongAnswerError: it ends elsewhere.
    """
    source, end = source_of(answer), time.monotonic() + TUNING.measuring_seconds
    try:
        while size and (piece := read_some(answer, min(size, TUNING.piece))):
            size -= len(piece)
            if size and time.monotonic() > end:
                return False
        if size and source.length is not None:
            # It was announced to be longer, so that this is no end.
            return False
        if size:
            raise short(answer, size)
        finish(answer, source)
    except UnreachableError:
        return False
    return True


def whole_size(answer: requests.Response, known: int | None) -> int:
    """Return the size of an output from an answer to a GET without a range.

    One whose length is not announced is read to its end. Where that is the end of the connection,
    which may have broken off, it must not be shorter than was reported before.

    Args:
        answer: the answer, its body unread.
        known: the size that was reported or measured before, None if none was.

    Raises:
        WrongAnswerError: it carries a part, contradicts itself, or is not an output.
        UnreachableError: see `read_into`.
    """
    _check_output(answer)
    if answer.status_code == requests.codes.partial_content or "Content-Range" in answer.headers:
        raise WrongAnswerError(f"GET {answer.url}: a part, which does not tell the output's size")
    size = content_length(answer)
    source = source_of(answer)
    if size is None or not is_announced(answer, source):
        announced, size, memory = size, 0, bytearray(TUNING.piece)
        ends_by_itself = source.chunked
        while found := read_into(answer, memory):
            size += found
        if not ends_by_itself and known is not None and size < known:
            announced = known
        if announced not in (None, size):
            raise WrongAnswerError(
                f"GET {answer.url}: {size} bytes where {announced} were announced"
            )
    answer.raw.close()
    return size


def _check_output(answer: requests.Response) -> None:
    """Check as `check_form` does where nothing else vouches for the size that an answer tells.

    Raises:
        WrongAnswerError: it is not an output, but a page, say, that a network in between shows.
    """
    check_form(answer)
    if "html" in answer.headers.get("Content-Type", "").lower():
        raise WrongAnswerError(f"GET {answer.url}: a page instead of an output")
