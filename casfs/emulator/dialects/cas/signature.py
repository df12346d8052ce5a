"""The signature of Tencent requests (`q-sign-algorithm=sha1`), checked strictly.

Source: CAS documentation, "Request signature", and the official Python SDK (cassdk 1.0.2). The SDK
wins where they disagree: SHA-1, not SHA-256, and parameter values are lower-cased before signing.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from casfs.emulator.api.dialect import Call
from casfs.emulator.api.signature import Flaw, SignatureError
from casfs.emulator.settings import Keys

_FIELDS = (
    "q-sign-algorithm",
    "q-ak",
    "q-sign-time",
    "q-key-time",
    "q-header-list",
    "q-url-param-list",
    "q-signature",
)


@dataclass(frozen=True)
class Claim:
    """A parsed Authorization header."""

    key_id: str
    sign_time: str
    key_time: str
    headers: tuple[str, ...]
    params: tuple[str, ...]
    signature: str


def parse(authorization: str) -> Claim:
    """Parse an Authorization header.

    Raises:
        SignatureError: a field is missing, unknown or out of order, or the algorithm is not sha1.
    """
    pairs = [pair.partition("=") for pair in authorization.strip().split("&")]
    if tuple(name for name, _, _ in pairs) != _FIELDS:
        raise SignatureError(Flaw.WRONG, "The Authorization header is malformed")
    algorithm, key_id, sign_time, key_time, headers, params, signature = (
        value for _, _, value in pairs
    )
    if algorithm != "sha1":
        raise SignatureError(Flaw.WRONG, f"Unknown q-sign-algorithm: {algorithm}")
    return Claim(
        key_id,
        sign_time,
        key_time,
        tuple(filter(None, headers.split(";"))),
        tuple(filter(None, params.split(";"))),
        signature,
    )


def _encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="-_.~")


def _hmac(key: str, message: str) -> str:
    return hmac.new(
        key.encode(), message.encode("utf-8", "surrogateescape"), hashlib.sha1
    ).hexdigest()


def format_string(claim: Claim, call: Call) -> str:
    """Return the four lines that the signature covers.

    Raises:
        SignatureError: a header or parameter in the claim's lists is not in the request.
    """
    given = {name.lower(): value for name, value in call.params}
    params, headers = [], []
    for name in sorted(name.lower() for name in claim.params):
        if name not in given:
            raise SignatureError(Flaw.WRONG, f"The signed parameter is missing: {name}")
        params.append(f"{name}={_encoded(given[name].lower())}")
    for name in sorted(name.lower() for name in claim.headers):
        if name not in call.headers:
            raise SignatureError(Flaw.WRONG, f"The signed header is missing: {name}")
        headers.append(f"{name}={_encoded(call.headers[name])}")
    lines = (call.method.lower(), call.path, "&".join(params), "&".join(headers))
    return "".join(line + "\n" for line in lines)


def signature(secret: str, claim: Claim, call: Call) -> str:
    """Return the signature that the request must carry.

    Raises:
        SignatureError: a header or parameter in the claim's lists is not in the request.
    """
    text = format_string(claim, call)
    digest = hashlib.sha1(text.encode("utf-8", "surrogateescape")).hexdigest()  # noqa: S324 - theirs
    return _hmac(_hmac(secret, claim.key_time), f"sha1\n{claim.sign_time}\n{digest}\n")


def _check_time(name: str, window: str, now: float, leeway: float) -> None:
    form = re.fullmatch(r"(\d{1,12});(\d{1,12})", window)
    if form is None:
        raise SignatureError(Flaw.WRONG, f"{name} is malformed: {window}")
    if now < int(form[1]) - leeway:
        raise SignatureError(Flaw.EXPIRED, f"{name} is not yet valid")
    if now > int(form[2]):
        raise SignatureError(Flaw.EXPIRED, f"{name} has expired")


def verify(
    authorization: str | None,
    call: Call,
    keys: Keys,
    clock: Callable[[], float],
    leeway: float,
) -> None:
    """Check that a request has a valid signature over the headers and parameters it lists.

    Args:
        authorization: the header, or None.
        call: the request.
        keys: the key pair.
        clock: returns Unix seconds.
        leeway: seconds by which a signature may be used early.

    Raises:
        SignatureError: the signature is missing or invalid.
    """
    if not authorization:
        raise SignatureError(Flaw.MISSING, "The Authorization header is missing")
    claim = parse(authorization)
    if claim.key_id != keys.key_id:
        raise SignatureError(Flaw.UNKNOWN_KEY, f"The key is unknown: {claim.key_id}")
    now = clock()
    _check_time("q-sign-time", claim.sign_time, now, leeway)
    _check_time("q-key-time", claim.key_time, now, leeway)
    wanted = signature(keys.secret, claim, call)
    if not hmac.compare_digest(wanted.encode(), claim.signature.encode("utf-8", "surrogateescape")):
        raise SignatureError(Flaw.WRONG, "The signature does not match the request")
