"""The interface between the HTTP server and the dialect of one service.

The server handles HTTP, faults and bytes; the engine handles archives and jobs; a dialect
translates between them, with the paths, names, codes and signatures of one service.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from casfs.emulator.engine.incoming import Received
from casfs.emulator.engine.selection import Selection
from casfs.emulator.engine.store import Store
from casfs.emulator.rules import Rules
from casfs.emulator.settings import OpenQuestions, Settings


@dataclass(frozen=True)
class Call:
    """A request without its body.

    Attributes:
        method: as sent.
        path: as sent, neither decoded nor normalized, without the query.
        params: decoded names and values of the query.
        headers: values by lower-case name.
    """

    method: str
    path: str
    params: Sequence[tuple[str, str]]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """A complete answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class SendOutput:
    """Send the output of a job."""

    selection: Selection


@dataclass(frozen=True)
class ReadBody:
    """Read the body of the request, which is small, and pass it to `finish` for the answer."""

    finish: Callable[[bytes], Reply]


@dataclass(frozen=True)
class ReceiveFile:
    """Receive the body of the request, which is large, into a file, and pass it to `finish`."""

    finish: Callable[[Received], Reply]


Answer = Reply | SendOutput | ReadBody | ReceiveFile
"""What a dialect can respond to a call."""


class Dialect(Protocol):
    """One service's form on the wire. All methods but `is_...` run in the store's thread."""

    request_id_header: str
    """The header with the request id of every answer."""

    def new_request_id(self) -> str:
        """Return a new request id."""

    def is_output(self, call: Call) -> bool:
        """Return whether a call reads the output of a job, judging by its path."""

    def is_job_request(self, call: Call) -> bool:
        """Return whether a call starts a job, judging by its path; runs in any thread."""

    def notifications(self, since: float) -> tuple[list[tuple[str, bytes]], float]:
        """Return whom to notify of jobs that completed since a time.

        Returns:
            URLs, each with what to send there; and the time up to which these are all.
        """

    def answer(self, call: Call) -> Answer:
        """Check the signature, execute the call and answer; a refusal is an answer, too."""

    def output_head(self, selection: Selection) -> Reply:
        """Return the status and headers for an output, with an empty body."""

    def throttled(self) -> Reply | None:
        """Return the answer to a throttled request; None = reset the connection."""

    def failed(self) -> Reply:
        """Return the answer of a service that has failed."""

    def body_too_large(self) -> Reply:
        """Return the answer to a request whose body is too large to read."""


@dataclass(frozen=True)
class Service:
    """A service that can be emulated.

    Attributes:
        rules: its fixed rules.
        questions: what its public sources leave open, with default answers.
        account: the default account that owns the key.
        region: the default region.
        make: creates its dialect over a store.
    """

    rules: Rules
    questions: type[OpenQuestions]
    account: str
    region: str
    make: Callable[[Store, Settings], Dialect]
