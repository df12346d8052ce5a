"""Reads the bodies of answers, and counts what came even where the connection breaks."""

import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse, IncompleteRead
from io import DEFAULT_BUFFER_SIZE

import requests

from casfs.errors import CasfsError, TransientError, WrongAnswerError
from casfs.service.error_mapping import connection_error
from casfs.service.throttle import Throttle
from casfs.third_party_internals import (
    Receive,
    intercept_receive,
    original_response,
    unread_bytes,
)

_NOTE_SECONDS = 0.5
"""What fills memory for longer is noted as it comes, so that a slow line does not look idle."""
_WAITING = 256 << 10
"""Bytes that wait in the kernel for whoever is slower than the line: while a block is hashed, a
line that is slower than that brings fewer."""


def source_of(answer: requests.Response) -> HTTPResponse:
    """Return the answer of the standard library below those of requests and urllib3.

    It fills memory of ours, where the others hand out copies; requests uses it in the same way.
    """
    source = original_response(answer)
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


def read_some(answer: requests.Response, most: int) -> bytes:
    """Return the next bytes of a body, as many as come at once, at most so many; b"" at its end.

    Raises:
        UnreachableError: the connection broke or stalled.
    """
    try:
        return source_of(answer).read1(most)
    except (OSError, HTTPException) as error:
        raise connection_error("Get Job Output", str(answer.url), error) from error


def finish(answer: requests.Response, source: HTTPResponse) -> None:
    """Check that a body has ended, and give its connection back for the next request.

    Raises:
        WrongAnswerError: it goes on, which only a body without an announced length can.
        UnreachableError: see `read_into`.
    """
    if not source.isclosed() and read_into(answer, bytearray(1)):
        raise WrongAnswerError(f"GET {answer.url}: the body is longer than the range")
    answer.raw.release_conn()


def short(answer: requests.Response, missing: int) -> WrongAnswerError:
    """Return the error of a body that ended so many bytes before its end."""
    return WrongAnswerError(f"GET {answer.url}: the body ended {missing} bytes early")


class Receiver:
    """Fills memory with a body, and knows how much of it came when the connection breaks.

    Python's buffered reader forgets that when a read raises. So a read of the socket that fails
    looks like the end of the stream to it, and the error is raised here.

    Args:
        answer: the answer, its body unread.
        note: is notified how many bytes came, whenever some are read.
        throttle: limits how fast they are received.

    Attributes:
        source: the answer of the standard library; see `source_of`.
    """

    def __init__(
        self, answer: requests.Response, note: Callable[[int], None], throttle: Throttle
    ) -> None:
        self._answer = answer
        self._note = note
        self._throttle = throttle
        self.source = source_of(answer)
        self._begun = False
        self._noted = 0.0
        """When something was noted, or memory began to be filled."""
        self._came = self._ahead = 0
        """Bytes that came and are not noted; bytes that are noted of what is being filled."""
        self._broken: OSError | None = None
        self._fills = self._behind = 0
        """How often memory was filled after the first time; how often bytes waited for that."""
        self._intercept()

    def fill(self, memory: memoryview) -> None:
        """Fill memory with the next bytes.

        Raises:
            TransientError: they do not all come; `received` says how many did.
        """
        if self._throttle.is_set is not self._throttled:
            self._intercept()
        if self._begun:
            self._fills += 1
            self._behind += unread_bytes(self.source) >= min(len(memory), _WAITING)
        self._begun, found = True, 0
        self._came, self._noted = 0, time.monotonic()
        error: Exception | None = None
        try:
            found = self.source.readinto(memory)
        except IncompleteRead as met:
            found, error = len(met.partial), met
        except (OSError, HTTPException) as met:
            error = met
        self._note(max(0, found - self._ahead))
        # What ends a body is read later, and noted alone.
        self._came = 0
        # The framing of chunks is noted with what it frames, and is made up for later.
        self._ahead = max(0, self._ahead - found)
        if found != len(memory):
            raise self._failure(len(memory) - found, found, self._broken or error)

    def finish(self) -> None:
        """Check that the body has ended, as `finish` does; close one of which nothing was read.

        Nobody wanted that, and a connection with an unread body is of no more use.
        """
        if self._begun:
            finish(self._answer, self.source)
        else:
            self._answer.close()

    def behind(self) -> float | None:
        """Return the share, 0 to 1, of fills but the first for which bytes waited here already.

        About 1 where they come faster than they are received here, about 0 where the line is what
        limits. None where nothing is known, or where the throttle limits.
        """
        return None if self._throttled or not self._fills else self._behind / self._fills

    def _intercept(self) -> None:
        """Receive through this object; what waits for the throttle is put in place if need be."""
        self._throttled = self._throttle.is_set
        # A body of no bytes has been closed already.
        if not self.source.isclosed():
            wrap = self._take_turns if self._throttled else self._catch_errors
            intercept_receive(self.source, wrap)

    def _take_turns(self, receive: Receive) -> Callable[[memoryview], int]:
        caught, throttle = self._catch_errors(receive), self._throttle

        def read(memory: memoryview) -> int:
            if not len(memory):
                return 0
            granted = throttle.take(len(memory))
            with memory[:granted] as part:
                found = caught(part)
            if found < granted:
                throttle.give_back(granted - found)
            return found

        return read

    def _note_came(self) -> None:
        self._note(self._came)
        self._ahead += self._came
        self._came, self._noted = 0, time.monotonic()

    def _failure(self, missing: int, found: int, error: Exception | None) -> CasfsError:
        failure: CasfsError = short(self._answer, missing)
        if error is not None:
            failure = connection_error("Get Job Output", str(self._answer.url), error)
            failure.__cause__ = error
        if isinstance(failure, TransientError):
            failure.received = found
        return failure

    def _catch_errors(self, receive: Receive) -> Callable[[memoryview], int]:
        def read(memory: memoryview) -> int:
            # More than the buffered reader's own buffer is wanted whole. To fill it here takes half
            # the time under the interpreter lock, which counts where a record of TLS comes each
            # time.
            got, size = 0, len(memory)
            wanted = size if size > DEFAULT_BUFFER_SIZE else min(size, 1)
            monotonic, due = time.monotonic, self._noted + _NOTE_SECONDS
            try:
                while got < wanted and self._broken is None:
                    found = receive(memory[got:], size - got)
                    if not found:
                        break
                    got += found
                    self._came += found
                    if monotonic() >= due:
                        self._note_came()
                        due = self._noted + _NOTE_SECONDS
            except OSError as error:
                self._broken = error
            return got

        return read
