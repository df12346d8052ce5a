"""The CAS dialect: Tencent Cloud Archive Storage, API as documented under product 572.

Where the documentation is silent or contradicts itself, the official Python SDK (cassdk 1.0.2,
1.0.6) shows what the service takes and sends; where that is silent too, Amazon Glacier, whose
API CAS copies, is the guide.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from casfs.credentials import Credentials
from casfs.errors import (
    CasfsError,
    DeniedError,
    NotFoundError,
    RequestError,
    ServerError,
    ThrottledError,
    WrongAnswerError,
)
from casfs.service import fields
from casfs.service.base import Job, JobKind, JobState, Vault
from casfs.treehash import SHA256

_SIGNED_HEADERS = ("host", "range")
_CLOCK_LEEWAY = 300
_VALIDITY = 1200
"""Seconds that a signature is valid from now on, as in the official Python SDK. It also begins
`_CLOCK_LEEWAY` seconds ago, so that a clock that runs ahead of the service's does no harm."""

_ERRORS: dict[str, type[CasfsError]] = {
    "AccessDeniedException": DeniedError,
    "ExpiredTokenException": DeniedError,
    "InvalidSignatureException": DeniedError,
    "MissingAuthenticationTokenException": DeniedError,
    "UnrecognizedClientException": DeniedError,
    "ResourceNotFoundException": NotFoundError,
    "ThrottlingException": ThrottledError,
    "RequestTimeoutException": ServerError,
    "ServiceUnavailableException": ServerError,
    "BadRequest": RequestError,
    "InvalidParameterValueException": RequestError,
    "LimitExceededException": RequestError,
    "MissingParameterValueException": RequestError,
    "PolicyEnforcedException": RequestError,
    "SerializationException": RequestError,
}
"""Meaning of each code (documentation, "Error codes"). The code decides, not the status: throttling
and wrong signatures both come as 400."""

_KINDS = {"ArchiveRetrieval": JobKind.ARCHIVE, "InventoryRetrieval": JobKind.INVENTORY}
_STATES = {
    "inprogress": JobState.RUNNING,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
}


def _escape(text: str) -> str:
    return quote(text, safe="-_.~")


def sign(
    method: str,
    path: str,
    parameters: Mapping[str, str],
    headers: Mapping[str, str],
    credentials: Credentials,
    window: tuple[int, int],
) -> str:
    """Return the `Authorization` header of a request (documentation, "Request signature").

    Args:
        method: HTTP method.
        path: path as it is sent, without the query.
        parameters: all parameters of the query, decoded.
        headers: the headers to sign.
        credentials: the key.
        window: first and last second of validity, Unix time.
    """
    # The documentation does not say it, but the service lower-cases parameter values
    # before it compares: the official SDK signs them so and sends them as they are.
    signed_parameters = sorted((k.lower(), _escape(v.lower())) for k, v in parameters.items())
    signed_headers = sorted((k.lower(), _escape(v)) for k, v in headers.items())
    key_time = f"{window[0]};{window[1]}"
    request = "\n".join(
        [
            method.lower(),
            path,
            "&".join(f"{k}={v}" for k, v in signed_parameters),
            "&".join(f"{k}={v}" for k, v in signed_headers),
            "",
        ]
    )
    to_sign = f"sha1\n{key_time}\n{hashlib.sha1(request.encode()).hexdigest()}\n"  # noqa: S324 (the protocol's)
    key = _hmac_sha1(credentials.secret_access_key, key_time)
    return "&".join(
        [
            "q-sign-algorithm=sha1",
            f"q-ak={credentials.access_key_id}",
            f"q-sign-time={key_time}",
            f"q-key-time={key_time}",
            f"q-header-list={';'.join(k for k, _ in signed_headers)}",
            f"q-url-param-list={';'.join(k for k, _ in signed_parameters)}",
            f"q-signature={_hmac_sha1(key, to_sign)}",
        ]
    )


def _hmac_sha1(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha1).hexdigest()


class CasAuthorization(AuthBase):
    """Signs host, range and every parameter of a request, as the official SDK does."""

    def __init__(self, credentials: Credentials, clock: Callable[[], float] = time.time) -> None:
        self._credentials = credentials
        self._clock = clock

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the `Authorization` header; URL and headers must be what is sent."""
        url = urlsplit(request.url or "")
        now = int(self._clock())
        request.headers["Authorization"] = sign(
            request.method or "GET",
            url.path,
            dict(parse_qsl(url.query, keep_blank_values=True)),
            {k: v for k, v in request.headers.items() if k.lower() in _SIGNED_HEADERS},
            self._credentials,
            (now - _CLOCK_LEEWAY, now + _VALIDITY),
        )
        return request


class CasDialect:
    """The wire form of Tencent CAS."""

    name = "cas"
    tree_hash = SHA256
    tree_hash_header = "x-cas-sha256-tree-hash"
    request_id_header = "x-cas-requestid"
    page_limit = 1000

    def __init__(self, account: str, credentials: Credentials) -> None:
        self._account = account
        self._credentials = credentials

    def authorization(self) -> AuthBase:
        """Return what signs a request."""
        return CasAuthorization(self._credentials)

    def vaults_path(self) -> str:
        """Return the path of List Vaults."""
        return f"/{_escape(self._account)}/vaults"

    def vault_path(self, vault: str) -> str:
        """Return the path of Describe Vault."""
        return f"{self.vaults_path()}/{_escape(vault)}"

    def jobs_path(self, vault: str) -> str:
        """Return the path of List Jobs."""
        return f"{self.vault_path(vault)}/jobs"

    def job_path(self, vault: str, job_id: str) -> str:
        """Return the path of Describe Job."""
        return f"{self.jobs_path(vault)}/{_escape(job_id)}"

    def page(self, answer: Mapping[str, Any]) -> tuple[list[Any], str | None]:
        """Return the items of a page and the next marker; a null or empty marker ends a listing."""
        items = answer.get("VaultList", answer.get("JobList"))
        if not isinstance(items, list):
            raise WrongAnswerError("a listing without VaultList or JobList; check the endpoint")
        return items, fields.text(answer.get("Marker"))

    def vault(self, answer: Mapping[str, Any]) -> Vault:
        """Return the vault that an answer describes (documentation, "Describe Vault")."""
        name = fields.text(answer.get("VaultName"))
        if name is None:
            raise WrongAnswerError("a vault without VaultName; check the endpoint")
        return Vault(
            name=name,
            created=fields.iso_date(answer.get("CreationDate")),
            inventoried=fields.iso_date(answer.get("LastInventoryDate")),
            archives=fields.integer(answer.get("NumberOfArchives")),
            size=fields.integer(answer.get("SizeInBytes")),
            raw=fields.compact(answer),
        )

    def job(self, vault: str, answer: Mapping[str, Any]) -> Job:
        """Return the job that an answer describes (documentation, "Describe Job").

        All kinds of jobs come in one flat shape; what does not apply is null or missing.
        """
        job_id = fields.text(answer.get("JobId"))
        if job_id is None:
            raise WrongAnswerError(f"a job of vault {vault} without JobId; check the endpoint")
        kind = _KINDS.get(str(answer.get("Action")), JobKind.OTHER)
        archive_size = fields.integer(answer.get("ArchiveSizeInBytes")) or None
        span = fields.byte_range(answer.get("RetrievalByteRange"))
        size = archive_size
        if kind is JobKind.INVENTORY:
            size = fields.integer(answer.get("InventorySizeInBytes")) or None
        elif span is not None:
            size = span[1] - span[0] + 1
        return Job(
            vault=vault,
            id=job_id,
            kind=kind,
            state=_state(answer),
            created=fields.iso_date(answer.get("CreationDate")),
            completed=fields.iso_date(answer.get("CompletionDate")),
            description=fields.text(answer.get("JobDescription")) or "",
            archive_id=fields.text(answer.get("ArchiveId")),
            archive_size=archive_size,
            first_byte=span[0] if span and kind is JobKind.ARCHIVE else 0,
            size=size,
            tree_hash=fields.digest(answer.get("SHA256TreeHash"), 32),
            raw=fields.compact(answer),
        )

    def error(self, status: int, code: str) -> type[CasfsError] | None:
        """Return what an error answer means, by its code."""
        if status >= 500:
            return ServerError
        return _ERRORS.get(code)


def _state(answer: Mapping[str, Any]) -> JobState:
    # Completed is true for failed jobs too, so it only speaks where StatusCode does not.
    named = _STATES.get(str(answer.get("StatusCode", "")).lower())
    if named is None:
        return JobState.SUCCEEDED if answer.get("Completed") is True else JobState.RUNNING
    return named
