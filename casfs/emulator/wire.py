"""What is one service's own where several share an API: names, signatures, codes and limits.

Tencent CAS is a near copy of Amazon Glacier: `vault_api` has the calls of both, and each brings a
wire.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from casfs.emulator.dialect import Answer, Call
from casfs.emulator.errors import EngineError
from casfs.emulator.records import Job
from casfs.emulator.selection import Selection
from casfs.emulator.signature import Flaw
from casfs.emulator.vault_form import VaultForm

Table = Mapping[str, Mapping[str, Callable[..., Answer]]]
"""Calls by the shape of their path, such as `*/jobs/*`, and their method; they get each `*`."""

ByteRange = tuple[int, int | None]
"""First and last byte of an archive; a last of None = to the end."""


@dataclass(frozen=True)
class PageLimits:
    """Items on the longest page of each list, which is the default as well."""

    vaults: int
    jobs: int
    uploads: int
    parts: int


class Wire(Protocol):
    """The wire form of one service."""

    header_prefix: str
    """What the names of its headers begin with."""

    request_id_header: str
    """The header in which every answer carries its request id."""

    page_limits: PageLimits
    """How long its lists are."""

    statuses: Mapping[str, int]
    """HTTP status by error code."""

    codes: Mapping[type[EngineError], str]
    """Error code by what the engine refuses; a class that is missing has the code of its base."""

    flaw_codes: Mapping[Flaw, str]
    """Error code by what is wrong with a signature."""

    form: VaultForm
    """How it writes vaults, jobs, uploads and inventories."""

    def new_request_id(self) -> str:
        """Return the id of one more request."""

    def signs_body(self, call: Call) -> bool:
        """Say whether the signature of a call cannot be checked before its body has come."""

    def check(self, call: Call, body: bytes) -> None:
        """Check the signature of a call, and the headers that every call needs.

        Args:
            call: the call.
            body: the body if the signature covers it, else nothing.

        Raises:
            SignatureError: the call is not signed as it must be.
            EngineError: a header is missing.
        """

    def check_description(self, text: str) -> None:
        """Check the description of an archive to be.

        Raises:
            BadValueError: it is too long or has letters that it may not have.
        """

    def wanted_job(self, fields: Mapping[str, object]) -> tuple[Job, ByteRange | None]:
        """Return the job that a request wants, without id, vault and times, and its byte range.

        Raises:
            MissingValueError: a field is missing.
            BadValueError: a field has a value it may not have.
        """

    def message(self, refused: EngineError) -> str:
        """Return how the service words a refusal."""

    def job_headers(self, job: Job) -> Mapping[str, str]:
        """Return headers of its own for the answer to the start of a job."""

    def output_headers(self, selection: Selection) -> Mapping[str, str]:
        """Return headers of its own for an answer that carries an output."""

    def layout(self, value: object, is_long: bool = False) -> bytes:
        """Return JSON in the layout of its answers; `is_long` allows one that is faster to make."""
