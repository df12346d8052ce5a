"""What went wrong, as errors of casfs: from error answers, and from broken connections."""

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from casfs.errors import (
    CasfsError,
    DeniedError,
    ForbiddenError,
    NotFoundError,
    RequestError,
    ServerError,
    ThrottledError,
    UnreachableError,
    WrongAnswerError,
)
from casfs.sanitize import redacted
from casfs.service import fields

_ERROR_BODY_LIMIT = 64 << 10
"""Bytes of an error's body that are looked at."""

_LINE_LENGTH = 300
"""Characters of a service's own words that are handed on."""

_CLOCK_LEEWAY = timedelta(minutes=15)
"""How far a signed time may be off (Aliyun OAS, "Request signing"; so with most services)."""

_ADVICE: dict[type[CasfsError], str] = {
    DeniedError: "check the keys, the account and this machine's clock",
    ForbiddenError: "check what the key is allowed to do, and the account",
    NotFoundError: "it does not exist, or no longer",
    ThrottledError: "try again later, or use fewer --connections",
    ServerError: "try again later",
    RequestError: "asking again will not help",
}


def answer_error(
    call: str,
    answer: requests.Response,
    meaning: Callable[[int, str], type[CasfsError] | None],
    request_id_header: str,
) -> CasfsError:
    """Return the error that an error answer means.

    Args:
        call: name of the call that was answered.
        answer: the answer; its body is not read yet.
        meaning: status and code -> error, or None where the status alone tells.
        request_id_header: the header that names the answer to the service's support.

    Raises:
        HTTPError of urllib3: the body broke off.
    """
    text = answer.raw.read(_ERROR_BODY_LIMIT, decode_content=False)
    # What counts is the code in the body: one that broke off, which the next read finds out,
    # is a broken connection.
    answer.raw.read(1, decode_content=False)
    body = _json_or_none(text)
    code, message = "", ""
    if isinstance(body, dict):
        # Some stand-ins for AWS say `__type`.
        code = str(body.get("code") or body.get("__type") or "")
        message = str(body.get("message") or "")
    kind = meaning(answer.status_code, code) or _meaning_of_status(answer.status_code)
    told = " ".join(filter(None, [str(answer.status_code), _line(code), _line(message)]))
    request_id = answer.headers.get(request_id_header, "unknown")
    advice = _clock_advice(answer) if kind is DeniedError else None
    advice = advice or _ADVICE.get(kind, "")
    return kind(f"{call} {answer.url}: {told} (request id {request_id}); {advice}")


def _line(text: str) -> str:
    """Return the first line of what a service says, without secrets.

    Amazon's refusal of a signature repeats the request line by line, token included.
    """
    return redacted((text.strip().splitlines() or [""])[0])[:_LINE_LENGTH]


def _clock_advice(answer: requests.Response) -> str | None:
    """Return what to do about this machine's clock, if the service's shows another time."""
    theirs = fields.http_date(answer.headers.get("Date"))
    if theirs is None:
        return None
    ahead = datetime.now(UTC) - theirs
    if abs(ahead) < _CLOCK_LEEWAY:
        return None
    direction = "ahead of" if ahead > timedelta(0) else "behind"
    minutes = round(abs(ahead) / timedelta(minutes=1))
    return f"this machine's clock is {minutes} minutes {direction} the service's; set it right"


def connection_error(call: str, url: str, error: Exception) -> CasfsError:
    """Return the error that a connection which failed means."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return RequestError(
                f"{call} {url}: the certificate is not trusted ({cause.verify_message}); "
                "set REQUESTS_CA_BUNDLE if it is your own"
            )
        cause = _next_cause(cause)
    return UnreachableError(f"{call} {url}: {_plain(error)}; check the network and --endpoint")


def json_body(answer: requests.Response) -> dict[str, Any]:
    """Return the JSON object that an answer holds, whatever its Content-Type says.

    Raises:
        WrongAnswerError: it holds something else.
    """
    body = _json_or_none(answer.content)
    if not isinstance(body, dict):
        raise WrongAnswerError(
            f"GET {answer.url}: {answer.status_code} without a JSON object; check --endpoint"
        )
    return body


def _json_or_none(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _meaning_of_status(status: int) -> type[CasfsError]:
    if status in (401, 403):
        return DeniedError
    if status in (404, 410):
        return NotFoundError
    if status == 429:
        return ThrottledError
    if status == 408 or status >= 500:
        return ServerError
    return RequestError


def _next_cause(error: BaseException) -> BaseException | None:
    # urllib3 keeps the cause as an attribute, requests as an argument, Python as a context.
    reason = getattr(error, "reason", None)
    for candidate in (reason, *error.args, error.__cause__, error.__context__):
        if isinstance(candidate, BaseException):
            return candidate
    return None


def _plain(error: BaseException) -> str:
    """Return the innermost text of an error: the outer ones repeat URL and pool."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        error = _next_cause(error) or error
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
