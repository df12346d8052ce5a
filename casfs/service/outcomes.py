"""What the answer to Initiate Job means: by its code, and never by its status alone.

The same status stands for what was surely refused and for what may have been done: throttling
comes as 400 or 502, a lack of capacity as 503 or 400, and a gateway's 5xx says nothing at all.
"""

import re
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote

import requests
import urllib3

from casfs.errors import DeniedError, NotFoundError, RequestError, ThrottledError
from casfs.job_requests import NotAccepted, Outcome, Refusal, Started, Unknown
from casfs.sanitize import redacted
from casfs.service.codes import error_code, has_message, is_service_form
from casfs.service.dialect import Dialect
from casfs.service.error_mapping import ErrorBody, clock_advice, read_error
from casfs.service.retries import retry_after

_REFUSALS: Mapping[str, Refusal] = {
    "PolicyEnforcedException": Refusal.POLICY,
    "InsufficientCapacityException": Refusal.CAPACITY,
    "LimitExceededException": Refusal.LIMIT,
}
"""Codes that Initiate Job has beside those of other calls (Amazon Glacier Developer Guide and
Tencent CAS documentation, "Initiate Job")."""

_UNDECIDED = ("PriorRequestNotComplete", "TransactionInProgressException")
"""Codes that put off a request because of an earlier one, which may have been this one."""

_ADVICE: Mapping[Refusal, str] = {
    Refusal.POLICY: "the account's data retrieval policy allows no more for now; wait until jobs "
    "have ended, or change the policy",
    Refusal.CAPACITY: "there is no capacity for Expedited now; try again later, or choose another "
    "tier",
    Refusal.THROTTLED: "try again later, with fewer requests",
    Refusal.LIMIT: "a limit of the service or the account is reached",
    Refusal.INVALID: "retrying will not help",
    Refusal.ARCHIVE_GONE: "there is no such archive; run casfs catalog refresh",
    Refusal.VAULT_GONE: "there is no such vault; casfs vaults lists the vaults",
    Refusal.NO_INVENTORY: "the service has not made an inventory yet; the first one takes a day",
    Refusal.DENIED: "check the keys, what they are allowed to do, and the account",
}

_JOB_ID = re.compile(r"[!-.0-~]{1,1024}")
_JOB_PATH = re.compile(r"/jobs/([^/?#]+)/?$")


def outcome_of(call: str, answer: requests.Response, dialect: Dialect) -> Outcome:
    """Return what an answer means; its body is not read yet.

    "Not found" is `ARCHIVE_GONE` unless the code says which: `JobCalls` finds out.

    Args:
        call: name of the call, for messages.
        answer: the answer, the service's or a stranger's.
        dialect: the service that was asked.
    """
    if answer.status_code // 100 == 2:
        job_id = _job_id(answer, dialect.job_id_header)
        if job_id is not None:
            return Started(job_id)
    read = _read(answer)
    why = None
    if answer.status_code // 100 != 2:
        why = _refusal(dialect, answer.status_code, read)
    if why is None:
        own = is_service_form(read.body)
        said = read.words(answer, dialect.request_id_header if own else None)
        return Unknown(redacted(f"{call} {answer.url}: {said}"))
    said = read.words(answer, dialect.request_id_header)
    advice = (clock_advice(answer) if why is Refusal.DENIED else None) or _ADVICE[why]
    message = redacted(f"{call} {answer.url}: {said}; {advice}")
    return NotAccepted(why, read.code, message, retry_after(answer.headers))


def _read(answer: requests.Response) -> ErrorBody:
    try:
        return read_error(answer)
    except (urllib3.exceptions.HTTPError, HTTPException, OSError):
        # The headers came, and may have the code.
        return ErrorBody(b"", None, error_code(answer.headers.get("x-amzn-ErrorType"), None))


def _job_id(answer: requests.Response, header: str) -> str | None:
    """Return the job that an answer tells; a stranger's page tells none."""
    found = answer.headers.get(header, "").strip()
    if not found:
        path = _JOB_PATH.search(answer.headers.get("Location", "").strip())
        found = unquote(path[1]) if path else ""
    return found if _JOB_ID.fullmatch(found) else None


def _refusal(dialect: Dialect, status: int, read: ErrorBody) -> Refusal | None:
    """Return why nothing was started; None if that is not sure."""
    code, body = read.code, read.body
    if code in dialect.refusals and has_message(body):
        return dialect.refusals[code]
    if code in _UNDECIDED:
        return None
    if code in _REFUSALS:
        return _REFUSALS[code]
    kind = dialect.error(code) if code else None
    if kind is None:
        return Refusal.INVALID if _is_clients_fault(status, body) else None
    for error, why in (
        (ThrottledError, Refusal.THROTTLED),
        (NotFoundError, Refusal.ARCHIVE_GONE),
        (DeniedError, Refusal.DENIED),
        (RequestError, Refusal.INVALID),
    ):
        if issubclass(kind, error):
            return why
    return None


def _is_clients_fault(status: int, body: Any) -> bool:
    """Return whether the service says of a code that is not documented that it is our fault."""
    return 400 <= status < 500 and is_service_form(body) and str(body["type"]).lower() == "client"
