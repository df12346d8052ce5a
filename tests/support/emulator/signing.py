"""A signer of CAS requests of our own, written from the documentation alone."""

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlsplit

import requests
from requests.auth import AuthBase


def _hex(key: str, text: str) -> str:
    return hmac.new(key.encode("ascii"), text.encode("utf-8"), hashlib.sha1).hexdigest()


def _lines(pairs: Mapping[str, str]) -> str:
    return "&".join(f"{name}={quote(pairs[name], safe='-_.~')}" for name in sorted(pairs))


def authorization(
    key_id: str,
    secret: str,
    method: str,
    path: str,
    params: Mapping[str, str],
    headers: Mapping[str, str],
    times: tuple[int, int],
) -> str:
    """Return the Authorization header; all of `params` and `headers` are signed."""
    low_params = {name.lower(): value.lower() for name, value in params.items()}
    low_headers = {name.lower(): value for name, value in headers.items()}
    text = f"{method.lower()}\n{path}\n{_lines(low_params)}\n{_lines(low_headers)}\n"
    window = f"{times[0]};{times[1]}"
    digest = hashlib.sha1(text.encode("utf-8")).hexdigest()
    signature = _hex(_hex(secret, window), f"sha1\n{window}\n{digest}\n")
    return (
        f"q-sign-algorithm=sha1&q-ak={key_id}&q-sign-time={window}&q-key-time={window}"
        f"&q-header-list={';'.join(sorted(low_headers))}"
        f"&q-url-param-list={';'.join(sorted(low_params))}&q-signature={signature}"
    )


class Signer(AuthBase):
    """Signs what `requests` is about to send: host, all parameters, and the named headers."""

    def __init__(
        self,
        key_id: str,
        secret: str,
        headers: Sequence[str] = ("range",),
        times: tuple[int, int] | None = None,
    ) -> None:
        self._key_id = key_id
        self._secret = secret
        self._headers = headers
        self._times = times

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        assert r.url is not None
        assert r.method is not None
        parts = urlsplit(r.url)
        now = int(time.time())
        # The port that everyone means is not sent.
        signed = {"host": r.headers.get("Host", parts.netloc.removesuffix(":80"))}
        signed |= {name: r.headers[name] for name in self._headers if name in r.headers}
        r.headers["Authorization"] = authorization(
            self._key_id,
            self._secret,
            r.method,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            signed,
            self._times or (now, now + 1200),
        )
        return r
