"""The seam between the server and the dialect of one service.

The server knows HTTP, faults and bytes; the engine (`vaults`, `jobs`, `store`) knows archives and
jobs; a dialect knows the paths, names, codes and signatures of one service and translates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from casfs.emulator.engine.incoming import Received
from casfs.emulator.engine.rules import Rules
from casfs.emulator.engine.selection import Selection
from casfs.emulator.engine.store import Store
from casfs.emulator.settings import OpenQuestions, Settings


@dataclass(frozen=True)
class Call:
    """A request without its body.

    Attributes:
        method: as sent.
        path: as sent, neither decoded nor normalized, without the query.
        params: decoded names and values of the query.
        headers: value by lower-cased name.
    """

    method: str
    path: str
    params: Sequence[tuple[str, str]]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer that is at hand."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class SendOutput:
    """The answer is the output of a job."""

    selection: Selection


@dataclass(frozen=True)
class ReadBody:
    """The answer needs the body of the request, a small one; `finish` takes it and answers."""

    finish: Callable[[bytes], Reply]


@dataclass(frozen=True)
class ReceiveFile:
    """The answer needs the body of the request, a large one, in a file; `finish` takes it."""

    finish: Callable[[Received], Reply]


Answer = Reply | SendOutput | ReadBody | ReceiveFile
"""What a dialect can say to a call."""


class Dialect(Protocol):
    """One service's wire form. All but `is_output` run in the thread of the store."""

    request_id_header: str
    """The header in which every answer carries its request id."""

    def new_request_id(self) -> str:
        """Return the id of one more request."""

    def is_output(self, call: Call) -> bool:
        """Say whether a call reads the output of a job, by its path alone."""

    def answer(self, call: Call) -> Answer:
        """Check the signature, do what is asked and answer; refusals are answers too."""

    def output_head(self, selection: Selection) -> Reply:
        """Return status and headers of an answer that carries an output; the body is empty."""

    def throttled(self) -> Reply | None:
        """Return the refusal of one request too many; None = the connection is reset."""

    def failed(self) -> Reply:
        """Return the answer of a service that has failed."""

    def body_too_large(self) -> Reply:
        """Return the refusal of a request whose small body is not small."""


@dataclass(frozen=True)
class Service:
    """A service that the emulator can be.

    Attributes:
        rules: what it fixes.
        questions: what its public sources leave open, with default answers.
        account: the account that owns the key, unless another is given.
        region: the region, unless another is given.
        make: its dialect over a store.
    """

    rules: Rules
    questions: type[OpenQuestions]
    account: str
    region: str
    make: Callable[[Store, Settings], Dialect]
