"""A signer of OAS requests of our own, written from the documentation alone."""

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.auth import AuthBase


def signature(secret: str, lines: Sequence[bytes]) -> str:
    digest = hmac.new(secret.encode(), b"\n".join(lines), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


class OasSigner(AuthBase):
    """Signs what `requests` is about to send, as of `seconds` from now."""

    def __init__(self, key_id: str, secret: str, seconds: float = 0) -> None:
        self._key_id = key_id
        self._secret = secret
        self._seconds = seconds

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        assert r.url is not None
        assert r.method is not None
        r.headers.setdefault("Date", formatdate(time.time() + self._seconds, usegmt=True))
        own = sorted(name for name in r.headers if name.lower().startswith("x-oas-"))
        lines = [f"{name.lower()}:".encode() + _bytes(r.headers[name]) for name in own]
        parts = urlsplit(r.url)
        query = sorted(parse_qsl(parts.query, keep_blank_values=True))
        signed = [(name, value) for name, value in query if name in ("limit", "marker")]
        words = [f"{name}={value}" if value else name for name, value in signed]
        resource = parts.path + ("?" + "&".join(words) if words else "")
        text = [r.method.encode(), _bytes(r.headers["Date"]), *lines, resource.encode()]
        r.headers["Authorization"] = f"OAS {self._key_id}:{signature(self._secret, text)}"
        return r


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
