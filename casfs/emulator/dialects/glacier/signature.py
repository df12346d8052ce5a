"""Amazon's Signature Version 4, checked strictly.

botocore signs the received request again, and the two signatures are compared.
Sources: AWS General Reference, "Signature Version 4"; Amazon Glacier API 2012-06-01, "Signing
Requests".
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from casfs.emulator.api.dialect import Call
from casfs.emulator.api.signature import Flaw, SignatureError
from casfs.emulator.settings import Keys

_SERVICE = "glacier"

_FORM = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key_id>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+),"
    r"\s*Signature=(?P<signature>[^,\s]+)"
)

_TIME = "%Y%m%dT%H%M%SZ"

_UNSIGNED = "UNSIGNED-PAYLOAD"
"""The payload hash if the body is not signed (AWS General Reference)."""

_NEEDED = ("host", "x-amz-date", "x-amz-glacier-version", "x-amz-security-token")
"""Headers that must be signed if they are present (Glacier, Signing Requests)."""


@dataclass(frozen=True)
class _Claim:
    """A parsed Authorization header."""

    key_id: str
    day: str
    region: str
    service: str
    headers: str
    signature: str


class _Signer(SigV4Auth):  # type: ignore[misc] # botocore has no types
    """Signs all headers of a request, and a payload of which only the hash is known.

    botocore itself leaves out some headers that other signers sign.
    """

    def headers_to_sign(self, request: AWSRequest) -> HTTPMessage:
        """Return all headers."""
        headers = HTTPMessage()
        for name, value in request.headers.items():
            headers[name] = value
        return headers

    def payload(self, request: AWSRequest) -> str:
        """Return the hash of the payload."""
        found: str = request.context["payload"]
        return found


def _parsed(authorization: str) -> _Claim:
    form = _FORM.fullmatch(authorization.strip())
    if form is None:
        raise SignatureError(Flaw.WRONG, "The Authorization header is malformed")
    return _Claim(**form.groupdict())


def _signed_at(call: Call) -> datetime:
    """Return the time of the signature: X-Amz-Date or, failing that, Date.

    Raises:
        SignatureError: both are missing or malformed.
    """
    text = call.headers.get("x-amz-date")
    try:
        if text is not None:
            return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
        return parsedate_to_datetime(call.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError) as error:
        text = "A request needs a valid X-Amz-Date or Date header"
        raise SignatureError(Flaw.WRONG, text) from error


def _payload_hash(call: Call, body: bytes | None) -> str:
    """Return the payload hash that the signature must cover.

    Raises:
        SignatureError: the body does not have the hash that the request announces.
    """
    announced = call.headers.get("x-amz-content-sha256")
    if body is None or announced == _UNSIGNED:
        return announced or _UNSIGNED
    actual = hashlib.sha256(body).hexdigest()
    if announced is not None and not hmac.compare_digest(
        announced.lower().encode("utf-8", "surrogateescape"), actual.encode()
    ):
        raise SignatureError(Flaw.WRONG, "The body does not match x-amz-content-sha256")
    return announced or actual


def _signature(keys: Keys, claim: _Claim, call: Call, at: datetime, payload_hash: str) -> str:
    """Return the signature that a request must have.

    Raises:
        SignatureError: a signed header is not in the request.
    """
    names = claim.headers.split(";")
    missing = [name for name in names if name not in call.headers]
    if missing:
        raise SignatureError(Flaw.WRONG, f"The signed header is missing: {missing[0]}")
    request = AWSRequest(
        method=call.method,
        url=f"http://{call.headers['host']}{call.path}",
        params=list(call.params),
        headers={name: call.headers[name] for name in names},
    )
    request.context |= {"timestamp": at.strftime(_TIME), "payload": payload_hash}
    signer = _Signer(Credentials(keys.key_id, keys.secret, keys.token), claim.service, claim.region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    found: str = signer.signature(text, request)
    return found


def verify(
    call: Call,
    body: bytes | None,
    keys: Keys,
    region: str,
    clock: Callable[[], float],
    leeway: float,
) -> None:
    """Check that a request has a valid signature for this service, made recently.

    Args:
        call: the request.
        body: its body; None = it was not received yet, and its receiver compares it with
            x-amz-content-sha256.
        keys: the key pair.
        region: the region that is emulated.
        clock: returns Unix seconds.
        leeway: seconds by which the time of the signature may be off, either way.

    Raises:
        SignatureError: the signature is missing or invalid.
    """
    authorization = call.headers.get("authorization")
    if not authorization:
        raise SignatureError(Flaw.MISSING, "Missing Authentication Token")
    claim = _parsed(authorization)
    token = call.headers.get("x-amz-security-token", "")
    is_known = hmac.compare_digest(token.encode("utf-8", "replace"), (keys.token or "").encode())
    if claim.key_id != keys.key_id or not is_known:
        raise SignatureError(
            Flaw.UNKNOWN_KEY, "The security token included in the request is invalid."
        )
    at = _signed_at(call)
    scope = (claim.day, claim.region, claim.service)
    if scope != (at.strftime("%Y%m%d"), region, _SERVICE):
        text = f"Credential should be scoped to {at:%Y%m%d}/{region}/{_SERVICE}"
        raise SignatureError(Flaw.WRONG, f"{text}, not {'/'.join(scope)}")
    names = claim.headers.split(";")
    for name in _NEEDED:
        if name in call.headers and name not in names:
            raise SignatureError(Flaw.WRONG, f"The header must be signed: {name}")
    if "x-amz-date" not in names and "date" not in names:
        raise SignatureError(Flaw.WRONG, "The header must be signed: x-amz-date")
    if abs(clock() - at.timestamp()) > leeway:
        raise SignatureError(Flaw.EXPIRED, f"Signature expired or not yet current: {at:{_TIME}}")
    wanted = _signature(keys, claim, call, at, _payload_hash(call, body))
    if not hmac.compare_digest(wanted.encode(), claim.signature.encode("utf-8", "replace")):
        raise SignatureError(
            Flaw.WRONG,
            "The request signature we calculated does not match the signature you provided.",
        )
