"""The signature of Aliyun OAS requests (`OAS <key id>:<signature>`), checked strictly.

Source: OAS documentation, request signing, and the official Python SDK (oassdk 0.2.5). Where they
disagree, header values are signed without surrounding spaces, because HTTP parsers strip them, and
parameters are signed as the SDK does: decoded and sorted, regardless of the order in which they
were sent.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from casfs.emulator.api.dialect import Call
from casfs.emulator.api.signature import Flaw, SignatureError
from casfs.emulator.settings import Keys

_SIGNED_PARAMS = ("limit", "marker")
"""Signed parameters; the others in the SDK's list are those of an object store."""


def string_to_sign(call: Call) -> str:
    """Return what the signature of a call covers.

    Raises:
        SignatureError: a signed parameter is present twice, so it is unclear which one applies.
    """
    own = {name: value for name, value in call.headers.items() if name.startswith("x-oas-")}
    lines = [call.method, call.headers.get("date", "").strip()]
    lines += [f"{name}:{own[name].strip()}" for name in sorted(own)]
    return "\n".join([*lines, _resource(call)])


def _resource(call: Call) -> str:
    given = [(name.lower(), value) for name, value in call.params]
    signed = sorted((name, value) for name, value in given if name in _SIGNED_PARAMS)
    if len({name for name, _ in signed}) != len(signed):
        raise SignatureError(Flaw.WRONG, "A signed parameter is present twice")
    words = [f"{name}={value}" if value else name for name, value in signed]
    return call.path + ("?" + "&".join(words) if words else "")


def signature(secret: str, text: str) -> str:
    """Return the signature of a string to sign."""
    digest = hmac.new(secret.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha1)
    return base64.b64encode(digest.digest()).decode()


def verify(call: Call, keys: Keys, clock: Callable[[], float], leeway: float) -> None:
    """Check that a call has a valid signature, made recently.

    Args:
        call: the call.
        keys: the key pair.
        clock: returns Unix seconds.
        leeway: seconds by which the date of the call may be off, either way.

    Raises:
        SignatureError: the signature is missing or invalid.
    """
    authorization = call.headers.get("authorization")
    if not authorization:
        raise SignatureError(Flaw.MISSING, "The Authorization header is missing")
    form = re.fullmatch(r"OAS ([^:\s]+):(\S+)", authorization.strip())
    if form is None:
        raise SignatureError(Flaw.WRONG, "The Authorization header is malformed")
    if form[1] != keys.key_id:
        raise SignatureError(Flaw.UNKNOWN_KEY, f"The key is unknown: {form[1]}")
    _check_date(call.headers.get("date", ""), clock(), leeway)
    wanted = signature(keys.secret, string_to_sign(call))
    if not hmac.compare_digest(wanted.encode(), form[2].encode("utf-8", "surrogateescape")):
        raise SignatureError(Flaw.WRONG, "The signature does not match the request")


def _check_date(text: str, now: float, leeway: float) -> None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError as error:
        raise SignatureError(Flaw.WRONG, f"The Date header is malformed: {text}") from error
    if abs(now - date.timestamp()) > leeway:
        text = f"The Date header is more than {leeway:.0f} seconds off: {text}"
        raise SignatureError(Flaw.EXPIRED, text)
