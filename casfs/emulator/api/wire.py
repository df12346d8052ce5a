"""What is one service's own where several share an API: names, signatures, codes and limits.

Tencent CAS and Aliyun OAS are copies of Amazon Glacier, a near and a free one: `vault_api` has the
calls of all, and each brings a wire.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from casfs.emulator.api.dialect import Answer, Call
from casfs.emulator.api.signature import Flaw
from casfs.emulator.engine import inventory
from casfs.emulator.engine.errors import EngineError
from casfs.emulator.engine.jobs import JobView
from casfs.emulator.engine.records import Job, Part, Upload, Vault
from casfs.emulator.engine.selection import Selection
from casfs.treehash import to_text

Table = Mapping[str, Mapping[str, Callable[..., Answer]]]
"""Calls by the shape of their path, such as `*/jobs/*`, and their method; they get the
vault that the first `*` names, then each other."""

ByteRange = tuple[int, int | None]
"""First and last byte of an archive; a last of None = to the end."""


@dataclass(frozen=True)
class PageLimits:
    """Items on the longest page of each list, which is the default as well."""

    vaults: int
    jobs: int
    uploads: int
    parts: int


@dataclass(frozen=True)
class Words:
    """What a service calls things; as it is here, what CAS and Glacier share.

    Attributes:
        has_account: whether paths begin with an account.
        content_hash: the header, behind its prefix, of the plain hash of a body.
        tree_hash: the header, behind its prefix, of a tree hash.
        digest: writes a digest.
        part_range: the form of Content-Range of a part: first and last byte.
        last_marker: the marker of a list that is complete.
        checks_markers: whether a marker must name an item that is there.
        filters_jobs: whether a list of jobs can be limited to some.
        throttled: the error code of one request too many.
        failed: the error code of a service that has failed.
        client, server: in errors, whose fault it is.
        server_codes: the error codes that are the fault of the service.
    """

    has_account: bool = True
    content_hash: str = "content-sha256"
    tree_hash: str = "sha256-tree-hash"
    digest: Callable[[bytes], str] = to_text
    part_range: re.Pattern[str] = re.compile(r"\s*bytes[ =](\d+)-(\d+)/(?:\*|\d+)\s*")
    last_marker: str | None = None
    checks_markers: bool = False
    filters_jobs: bool = True
    throttled: str = "ThrottlingException"
    failed: str = "ServiceUnavailableException"
    client: str = "Client"
    server: str = "Server"
    server_codes: tuple[str, ...] = ("ServiceUnavailableException",)


class Form(inventory.Form, Protocol):
    """How a service writes what it has."""

    name_prefix: str
    """What the full name of a vault begins with, in markers too."""

    def vault(self, vault: Vault) -> Mapping[str, object]:
        """Return a vault."""

    def job(self, view: JobView) -> Mapping[str, object]:
        """Return a job."""

    def upload(self, upload: Upload) -> Mapping[str, object]:
        """Return a multipart upload."""

    def part(self, part: Part) -> Mapping[str, object]:
        """Return a part of an upload."""


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

    words: Words
    """What it calls things."""

    @property
    def form(self) -> Form:
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
