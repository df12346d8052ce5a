"""What went wrong, as errors of casfs: from error answers, and from broken connections."""

import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from casfs.errors import (
    CasfsError,
    DeniedError,
    ForbiddenError,
    ForeignAnswerError,
    NotFoundError,
    RequestError,
    ServerError,
    ThrottledError,
    TransientError,
    UnreachableError,
    WrongAnswerError,
)
from casfs.reasons import reason
from casfs.sanitize import printable, shown
from casfs.service import fields
from casfs.service.bodies import first_bytes, whole_body
from casfs.service.codes import error_code, has_message, is_service_form, own_code
from casfs.service.retries import retry_after
from casfs.service.service_tuning import TUNING

_TAG = re.compile(r"<[^>]*>")

_CLOCK_LEEWAY = timedelta(minutes=15)
"""How far a signed time may be off (Aliyun OAS, "Request signing"; so with most services)."""

_ADVICE: dict[type[CasfsError], str] = {
    DeniedError: "check the keys, the account and this machine's clock",
    ForbiddenError: "check what the key is allowed to do, and the account",
    NotFoundError: "it does not exist, or no longer exists",
    ThrottledError: "try again later, or use fewer --connections",
    ServerError: "try again later",
    RequestError: "retrying will not help",
}
_PROXY_AUTHENTICATION = 407


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an answer that is an error says.

    Attributes:
        text: the beginning of its body.
        body: that as JSON, None if it is none.
        code: the code that the answer carries anywhere, "" if there is none.
    """

    text: bytes
    body: Any
    code: str

    def words(self, answer: requests.Response, request_id_header: str | None) -> str:
        """Return it as one line without secrets.

        Args:
            answer: the answer.
            request_id_header: names the answer to the service's support; None if the answer is a
                stranger's.
        """
        if request_id_header is None:
            return _foreign_words(answer, self.text)
        said = _own_words(answer, self.code, self.body)
        return f"{said} (request id {_id(answer, request_id_header)})"


def read_error(answer: requests.Response) -> ErrorBody:
    """Return what an answer that is an error says; its body is not read yet.

    Raises:
        HTTPError of urllib3: the body broke off.
    """
    text = _error_text(answer)
    body = _json_or_none(text)
    return ErrorBody(text, body, error_code(answer.headers.get("x-amzn-ErrorType"), body))


def answer_error(
    call: str,
    answer: requests.Response,
    known: Callable[[str], type[CasfsError] | None],
    request_id_header: str,
) -> CasfsError:
    """Return the error that an error answer means.

    Gateways, proxies and captive portals give answers, too. Only the service itself can say that
    something is gone, or refuse us; it does so with a code of its own.

    Args:
        call: name of the call that was answered.
        answer: the answer; its body is not read yet.
        known: code -> error, None for a code that the service does not have.
        request_id_header: the header that names the answer to the service's support.

    Raises:
        HTTPError of urllib3: the body broke off.
    """
    read = read_error(answer)
    kind = _meaning(answer.status_code, known, read.code, read.body)
    own = bool(read.code) and kind is not ForeignAnswerError
    said = read.words(answer, request_id_header if own else None)
    advice = clock_advice(answer) if kind is DeniedError else None
    if kind is ForeignAnswerError:
        advice = _foreign_advice(answer)
    error = kind(f"{call} {answer.url}: {said}; {advice or _ADVICE.get(kind, '')}")
    if isinstance(error, TransientError):
        error.retry_after = retry_after(answer.headers)
        error.status = answer.status_code
    return error


def _meaning(
    status: int, known: Callable[[str], type[CasfsError] | None], code: str, body: Any
) -> type[CasfsError]:
    """Return what an error answer means.

    What only puts off is believed of anybody. What ends a call, or removes something, is believed
    in the service's own form alone.

    Args:
        status: its status.
        known: code -> error, None for a code that the service does not have.
        code: the code that it carries anywhere, "" if there is none.
        body: what its body holds as JSON.
    """
    later, meant = known(code), known(own_code(body))
    if status >= 500:
        return ServerError
    if later is not None and issubclass(later, TransientError):
        return later
    if meant is not None and (meant is not NotFoundError or has_message(body)):
        return meant
    if status == 429:
        return ThrottledError
    if status == 408:
        return ServerError
    if not is_service_form(body):
        return ForeignAnswerError
    # A code that is not documented may refuse us, but what it says is gone may be anything.
    return DeniedError if status in (401, 403) else RequestError


def _error_text(answer: requests.Response) -> bytes:
    try:
        return first_bytes(answer, TUNING.error_limit)
    except WrongAnswerError:
        # No service encodes an error so that it cannot be read.
        return b""


def _own_words(answer: requests.Response, code: str, body: Any) -> str:
    message = ""
    if isinstance(body, dict):
        message = str(body.get("message") or body.get("Message") or "")
    return " ".join(filter(None, [str(answer.status_code), _line(code), _line(message)]))


def _id(answer: requests.Response, header: str) -> str:
    return _line(answer.headers.get(header, "")) or "unknown"


def _foreign_words(answer: requests.Response, text: bytes) -> str:
    """Return what an answer without a code is: its status, its type, and how its page begins."""
    begin = text[: TUNING.page_begin].decode("utf-8", "replace")
    words = printable(" ".join(_TAG.sub(" ", begin).split())[: TUNING.first_words])
    kind = _line(answer.headers.get("Content-Type", "")) or "no content type"
    said = f"{answer.status_code}, {kind}"
    if words:
        said += f', "{words}"'
    if "Location" in answer.headers:
        said += f", a redirect to {_host(answer.headers['Location'])}"
    return said


def _foreign_advice(answer: requests.Response) -> str:
    if answer.status_code == _PROXY_AUTHENTICATION:
        return "the proxy wants a user and a password; write them into HTTPS_PROXY or HTTP_PROXY"
    return (
        "this is not an answer of the service; "
        "check --endpoint, the network, and any proxy on the way"
    )


def _host(location: str) -> str:
    # What follows the host may be a ticket for whoever logs in there.
    try:
        return _line(urlsplit(location).hostname or "") or "another path"
    except ValueError:
        return "nowhere"


def _line(text: str) -> str:
    """Return the first line of what a service says, without control characters or secrets.

    Amazon's refusal of a signature repeats the request line by line, token included.
    """
    return shown((text.strip().splitlines() or [""])[0])[: TUNING.line_length]


def clock_advice(answer: requests.Response) -> str | None:
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
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return RequestError(
                f"{call} {url}: the certificate is not trusted ({_line(cause.verify_message)}); "
                "set REQUESTS_CA_BUNDLE if it is your own"
            )
        if isinstance(cause, urllib3.exceptions.InvalidHeader):
            return WrongAnswerError(f"{call} {url}: the answer's lengths contradict each other")
    if isinstance(error, ValueError) and isinstance(error, requests.RequestException):
        # Its text may quote a header, and so a key.
        return RequestError(
            f"{call} {url}: the request cannot be sent ({type(error).__name__}); "
            "check --endpoint, the keys and any proxy"
        )
    return UnreachableError(
        f"{call} {url}: {_line(_plain(error))}; check the network and --endpoint"
    )


def was_closed(error: CasfsError) -> bool:
    """Return whether that is how a request ends whose connection is closed before an answer."""
    cause = error.__cause__
    return isinstance(cause, requests.ConnectionError) and any(
        isinstance(inner, urllib3.exceptions.ProtocolError) for inner in causes(cause)
    )


def json_body(answer: requests.Response) -> dict[str, Any]:
    """Return the JSON object that an answer holds, whatever its Content-Type says.

    Raises:
        WrongAnswerError: it holds something else, or more than a description needs.
    """
    body = _json_or_none(whole_body(answer, TUNING.description_limit))
    if not isinstance(body, dict):
        raise WrongAnswerError(
            f"GET {answer.url}: {answer.status_code} without a JSON object; check --endpoint"
        )
    return body


def _json_or_none(body: bytes | bytearray) -> Any:
    try:
        # Some services put the line breaks of a message into it as they are.
        return json.loads(body, strict=False)
    except (ValueError, RecursionError):
        return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, outermost first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = _next_cause(cause)


def _next_cause(error: BaseException) -> BaseException | None:
    # urllib3 keeps the cause as an attribute, requests as an argument, Python as a context.
    inner = getattr(error, "reason", None)
    for candidate in (inner, *error.args, error.__cause__, error.__context__):
        if isinstance(candidate, BaseException):
            return candidate
    return None


def _plain(error: BaseException) -> str:
    """Return the innermost reason of an error: the outer ones repeat URL and pool."""
    *_, innermost = [error, *(one for one in causes(error) if not isinstance(one, ValueError))]
    return reason(innermost)
