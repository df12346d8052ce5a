"""Clients of an emulated Glacier: a signer of our own, and boto3."""

import hashlib
import hmac
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, quote, urlsplit

import boto3
import requests
from botocore.config import Config
from requests.auth import AuthBase

from tests.support.emulator.running import KEY_ID, SECRET, RunningEmulator

ACCOUNT = "123456789012"
REGION = "us-east-1"
ARN = f"arn:aws:glacier:{REGION}:{ACCOUNT}:vaults/"
VERSION = {"x-amz-glacier-version": "2012-06-01"}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def authorization(
    key_id: str,
    secret: str,
    method: str,
    path: str,
    params: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    payload_hash: str,
    scope: str = f"{REGION}/glacier",
) -> str:
    """Return the Authorization header, from the text of the AWS General Reference alone.

    All of `headers` are signed; `x-amz-date` is among them.
    """
    at = headers["x-amz-date"]
    names = ";".join(sorted(headers))
    pairs = sorted((quote(key, safe="-_.~"), quote(value, safe="-_.~")) for key, value in params)
    lines = [method, quote(path, safe="/-_.~"), "&".join(f"{a}={b}" for a, b in pairs)]
    lines += [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)]
    canonical = "\n".join([*lines, "", names, payload_hash])
    scope = f"{at[:8]}/{scope}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        key = _hmac(key, word)
    signature = _hmac(key, f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}").hex()
    return (
        f"AWS4-HMAC-SHA256 Credential={key_id}/{scope},SignedHeaders={names},Signature={signature}"
    )


class SigV4(AuthBase):
    """Signs what `requests` is about to send.

    Args:
        headers: what is signed besides host, date and version, where it is there.
        payload: the hash of the body that is signed; None = the right one.
        late: seconds by which the time of the signature lies in the past.
        scope: region and service.
        token: of the session, sent and signed.
    """

    def __init__(
        self,
        key_id: str = KEY_ID,
        secret: str = SECRET,
        headers: Sequence[str] = ("host", "x-amz-date", "x-amz-glacier-version"),
        payload: str | None = None,
        late: float = 0,
        scope: str = f"{REGION}/glacier",
        token: str | None = None,
    ) -> None:
        self._keys = key_id, secret
        self._headers = headers
        self._payload = payload
        self._late = late
        self._scope = scope
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        assert r.url is not None
        assert r.method is not None
        parts = urlsplit(r.url)
        r.headers["x-amz-date"] = time.strftime(
            "%Y%m%dT%H%M%SZ", time.gmtime(time.time() - self._late)
        )
        if self._token is not None:
            r.headers["x-amz-security-token"] = self._token
        low = {name.lower(): str(value) for name, value in r.headers.items()}
        low.setdefault("host", parts.netloc)
        named = [*self._headers, "x-amz-content-sha256", "x-amz-security-token"]
        body = r.body.encode() if isinstance(r.body, str) else r.body or b""
        told = low.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
        r.headers["Authorization"] = authorization(
            *self._keys,
            r.method,
            parts.path,
            parse_qsl(parts.query, keep_blank_values=True),
            {name: low[name] for name in named if name in low},
            self._payload or told,
            self._scope,
        )
        return r


def call(
    emulator: RunningEmulator,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    signer: SigV4 | None = None,
    **more: Any,
) -> requests.Response:
    """Send a signed request of the right version; no check of the status."""
    headers = VERSION if headers is None else headers
    return emulator.call(method, path, headers=headers, signer=signer or SigV4(), **more)


@contextmanager
def no_settings_of_the_user() -> Iterator[None]:
    """Let boto3 see neither files nor variables of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    with patch.dict(os.environ, {**kept, **nowhere}, clear=True):
        yield


def boto3_client(url: str, attempts: int = 1, key_id: str = KEY_ID, secret: str = SECRET) -> Any:
    """Return boto3's client for Glacier, unmodified, with retries only if asked for."""
    with no_settings_of_the_user():
        return boto3.client(
            "glacier",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": attempts}, proxies={}),
        )


@contextmanager
def boto3_at(url: str, attempts: int = 1) -> Iterator[Any]:
    """Give boto3's client, and close its connections."""
    client = boto3_client(url, attempts)
    try:
        yield client
    finally:
        client.close()


def retrieve(client: Any, vault: str, archive: str, **parameters: str) -> str:
    """Start the retrieval of an archive and return the id of the job."""
    fields = {"Type": "archive-retrieval", "ArchiveId": archive, **parameters}
    job: str = client.initiate_job(vaultName=vault, jobParameters=fields)["jobId"]
    return job


def inventory(client: Any, vault: str, **parameters: Any) -> str:
    """Start an inventory and return the id of the job."""
    fields = {"Type": "inventory-retrieval", **parameters}
    job: str = client.initiate_job(vaultName=vault, jobParameters=fields)["jobId"]
    return job


def output(client: Any, vault: str, job: str, **more: str) -> bytes:
    """Read an output, or the `range` of it that is asked for."""
    with client.get_job_output(vaultName=vault, jobId=job, **more)["body"] as body:
        data: bytes = body.read()
    return data


def refused(response: requests.Response) -> tuple[int, str]:
    """Return status and code of an error in the form of Glacier."""
    fields = response.json()
    assert set(fields) == {"code", "message", "type"}
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-amzn-RequestId"]
    return response.status_code, fields["code"]


@contextmanager
def glacier(root: Path, *options: str, **more: Any) -> Iterator[RunningEmulator]:
    """Run an emulated Glacier with further options."""
    with RunningEmulator(root, *options, dialect="glacier", **more) as emulator:
        yield emulator
