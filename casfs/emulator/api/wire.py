"""What differs between the services: names, signatures, codes and limits.

Tencent CAS is a close copy of Amazon Glacier and Aliyun OAS a loose one. `router` and the modules
it uses have the calls of all three, and each service supplies a `Wire`.
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
"""Calls by the shape of their path, such as `*/jobs/*`, and their method. Their arguments are the
vault that the first `*` names, and the text of every other `*`."""

ByteRange = tuple[int, int | None]
"""First and last byte of an archive; a last of None = to the end."""


@dataclass(frozen=True)
class PageLimits:
    """The maximum number of items on a page of each list, which is also the default."""

    vaults: int
    jobs: int
    uploads: int
    parts: int


@dataclass(frozen=True)
class Words:
    """The names that a service uses; the defaults are those of CAS and Glacier.

    Attributes:
        has_account: whether paths start with an account.
        content_hash: the header for the plain hash of a body, without its prefix.
        tree_hash: the header for a tree hash, without its prefix.
        digest: formats a digest.
        part_range: matches the Content-Range of a part: first and last byte.
        last_marker: the marker of the last page of a list.
        checks_markers: whether a marker must name an existing item.
        filters_jobs: whether a list of jobs can be filtered.
        shows_policy: whether there are calls for the data retrieval policy.
        throttled: the error code of a throttled request.
        failed: the error code of a service that has failed.
        client, server: whose fault an error is.
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
    shows_policy: bool = False
    throttled: str = "ThrottlingException"
    failed: str = "ServiceUnavailableException"
    client: str = "Client"
    server: str = "Server"
    server_codes: tuple[str, ...] = (
        "InsufficientCapacityException",
        "ServiceUnavailableException",
    )


class Form(inventory.Form, Protocol):
    """Formats the resources of a service."""

    name_prefix: str
    """The prefix of the full name of a vault, also in markers."""

    def vault(self, vault: Vault) -> Mapping[str, object]:
        """Return a vault."""

    def job(self, view: JobView) -> Mapping[str, object]:
        """Return a job."""

    def upload(self, upload: Upload) -> Mapping[str, object]:
        """Return a multipart upload."""

    def part(self, part: Part) -> Mapping[str, object]:
        """Return a part of an upload."""


class Wire(Protocol):
    """The specifics of one service on the wire."""

    header_prefix: str
    """The prefix of the names of its headers."""

    request_id_header: str
    """The header with the request id of every answer."""

    page_limits: PageLimits
    """The maximum lengths of its lists."""

    statuses: Mapping[str, int]
    """HTTP statuses by error code."""

    codes: Mapping[type[EngineError], str]
    """Error codes by exception; a class that is missing has the code of its base class."""

    flaw_codes: Mapping[Flaw, str]
    """Error codes by the flaw of a signature."""

    words: Words
    """The names that it uses."""

    @property
    def form(self) -> Form:
        """Formats its vaults, jobs, uploads and inventories."""

    def new_request_id(self) -> str:
        """Return a new request id."""

    def signs_body(self, call: Call) -> bool:
        """Return whether the signature of a call covers its body."""

    def check(self, call: Call, body: bytes) -> None:
        """Check the signature of a call, and the headers that every call requires.

        Args:
            call: the call.
            body: the body if the signature covers it, otherwise empty.

        Raises:
            SignatureError: the call has no valid signature.
            EngineError: a header is missing.
        """

    def check_description(self, text: str) -> None:
        """Check the description of an archive to upload.

        Raises:
            BadValueError: it is too long or has characters that are not allowed.
        """

    def wanted_job(self, fields: Mapping[str, object]) -> tuple[Job, ByteRange | None]:
        """Return the requested job, without id, vault and times, and its byte range.

        Raises:
            MissingValueError: a field is missing.
            BadValueError: a field has a bad value.
        """

    def message(self, refused: EngineError) -> str:
        """Return the service's message for a refusal."""

    def job_headers(self, job: Job) -> Mapping[str, str]:
        """Return additional headers for the answer to Initiate Job."""

    def output_headers(self, selection: Selection) -> Mapping[str, str]:
        """Return additional headers for the answer to Get Job Output."""

    def layout(self, value: object, is_long: bool = False) -> bytes:
        """Return JSON in the layout of its answers; `is_long` permits a layout that is faster."""
