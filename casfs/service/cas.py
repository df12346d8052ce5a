"""The CAS dialect: Tencent Cloud Archive Storage, API as documented under product 572.

Where the documentation is silent or contradicts itself, the official Python SDK (cassdk 1.0.2,
1.0.6) shows what the service takes and sends; where that is silent too, Amazon Glacier, whose
API CAS copies, is the guide.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from casfs.credentials import Credentials, IniFile, KeySource
from casfs.job_requests import JobFeatures, Tier
from casfs.service import fields
from casfs.service.codes import VAULT_ERRORS
from casfs.service.dialect import Dialect, InventoryFields, escape
from casfs.service.registration import Registration, by_region
from casfs.treehash import SHA256

if TYPE_CHECKING:
    from requests import PreparedRequest

_SIGNED_HEADERS = ("host", "range")
_CLOCK_LEEWAY = 300
_VALIDITY = 1200
"""Seconds that a signature is valid from now on, as in the official Python SDK. It also begins
`_CLOCK_LEEWAY` seconds ago, so that a clock that runs ahead of the service's does no harm."""


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
    signed_parameters = sorted((k.lower(), escape(v.lower())) for k, v in parameters.items())
    signed_headers = sorted((k.lower(), escape(v)) for k, v in headers.items())
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
    return hmac.digest(key.encode(), text.encode(), "sha1").hex()


class CasAuthorization:
    """Signs host, range and every parameter of a request, as the official SDK does."""

    def __init__(self, keys: KeySource, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Add the `Authorization` header; URL and headers must be what is sent."""
        url = urlsplit(request.url or "")
        now = int(self._clock())
        request.headers["Authorization"] = sign(
            request.method or "GET",
            url.path,
            dict(parse_qsl(url.query, keep_blank_values=True)),
            {k: v for k, v in request.headers.items() if k.lower() in _SIGNED_HEADERS},
            self._keys.current(),
            (now - _CLOCK_LEEWAY, now + _VALIDITY),
        )
        return request


def cas(account: str, keys: KeySource, region: str) -> Dialect:
    """Return the wire form of Tencent CAS; no request depends on its region."""
    del region
    return Dialect(
        name="cas",
        authorization=CasAuthorization(keys),
        root=f"/{escape(account)}",
        tree_hash=SHA256,
        tree_hash_header="x-cas-sha256-tree-hash",
        request_id_header="x-cas-requestid",
        job_id_header="x-cas-job-id",
        job_features=JobFeatures(
            tiers=tuple(Tier),
            # Tencent CAS documentation, "Initiate Job": 256 MB.
            expedited_limit=256 << 20,
            call_back=True,
            inventory_query=True,
            inventory_csv=True,
        ),
        vaults_limit=1000,
        jobs_limit=1000,
        tree_hash_field="SHA256TreeHash",
        archive_tree_hash_field="ArchiveSHA256TreeHash",
        inventory_fields=InventoryFields("VaultQCS", "SHA256TreeHash"),
        # Tencent CAS documentation, "Initiate Job".
        inventory_limit=10_000,
        date=fields.iso_date,
        errors=VAULT_ERRORS,
    )


CAS = Registration(
    endpoint_in=by_region("https://cas.{region}.myqcloud.com"),
    region="ap-chengdu",
    regions=("ap-chengdu", "ap-beijing", "ap-guangzhou", "ap-shanghai", "cn-southwest"),
    keys=IniFile(
        name=".cascmd_credentials",
        section="CASCredentials",
        names={
            "endpoint": "endpoint",
            "appid": "account",
            "secretid": "access_key_id",
            "secretkey": "secret_access_key",
        },
    ),
    dialect=cas,
)
"""Endpoint as in the documentation, "Introduction". The file is that of Tencent's own `cascmd.py`;
its endpoint is a bare host, which that asks over plain HTTP, and casfs over https."""
