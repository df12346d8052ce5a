"""The OAS dialect: Aliyun OAS (Open Archive Storage), its documentation and its SDK oassdk 0.2.5.

Vaults have a name for people and a VaultId for requests, which only a listing tells.
"""

import base64
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from casfs.credentials import Credentials, IniFile, KeySource
from casfs.job_requests import JobFeatures, Refusal, Tier
from casfs.service import fields
from casfs.service.codes import OAS_ERRORS
from casfs.service.dialect import Dialect, InventoryFields
from casfs.service.registration import Registration, by_region
from casfs.treehash import MD5

if TYPE_CHECKING:
    from requests import PreparedRequest

_VERSION = "2014-01-01"
_SIGNED_PARAMETERS = ("limit", "marker")
_HEADERS = "x-oas-"


def sign(
    method: str,
    path: str,
    parameters: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    credentials: Credentials,
) -> str:
    """Return the `Authorization` header of a request (documentation, "Request signing").

    Args:
        method: HTTP method.
        path: path as it is sent, without the query.
        parameters: the query, decoded; only `limit` and `marker` are signed, and as they are.
        headers: all headers; only `Date` and `x-oas-*` are signed.
        credentials: the key.
    """
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    query = "&".join(
        f"{name}={value}" if value else name
        for name, value in sorted(parameters)
        if name in _SIGNED_PARAMETERS
    )
    lines = [
        method,
        lowered.get("date", ""),
        *(f"{name}:{lowered[name]}" for name in sorted(lowered) if name.startswith(_HEADERS)),
        f"{path}?{query}" if query else path,
    ]
    secret = credentials.secret_access_key.encode()
    digest = hmac.digest(secret, "\n".join(lines).encode(), "sha1")
    return f"OAS {credentials.access_key_id}:{base64.b64encode(digest).decode()}"


class OasAuthorization:
    """Dates and signs a request."""

    def __init__(self, keys: KeySource, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Add `Date`, `x-oas-version` and `Authorization`; URL and headers must be final."""
        url = urlsplit(request.url or "")
        request.headers["Date"] = formatdate(self._clock(), usegmt=True)
        request.headers["x-oas-version"] = _VERSION
        request.headers["Authorization"] = sign(
            request.method or "GET",
            url.path,
            parse_qsl(url.query, keep_blank_values=True),
            {name: str(value) for name, value in request.headers.items()},
            self._keys.current(),
        )
        return request


def oas(account: str, keys: KeySource, region: str) -> Dialect:
    """Return the wire form of Aliyun OAS; account and region stand in no request."""
    del account, region
    return Dialect(
        name="oas",
        authorization=OasAuthorization(keys),
        root="",
        vault_key="VaultId",
        tree_hash=MD5,
        tree_hash_header="x-oas-tree-etag",
        request_id_header="x-oas-request-id",
        job_id_header="x-oas-job-id",
        # Aliyun OAS documentation: a job takes from minutes to 4 hours.
        job_features=JobFeatures(tiers=(Tier.STANDARD,), one_speed=timedelta(hours=4)),
        refusals={
            "ArchiveNotExists": Refusal.ARCHIVE_GONE,
            "VaultNotExists": Refusal.VAULT_GONE,
            # So it throttles, with status 502.
            "ServiceUnavailable": Refusal.THROTTLED,
        },
        vaults_limit=10,
        jobs_limit=1000,
        tree_hash_field="TreeEtag",
        archive_tree_hash_field="ArchiveTreeEtag",
        inventory_fields=InventoryFields("VaultId", "ArchiveTreeEtag"),
        date=fields.http_date,
        errors=OAS_ERRORS,
        any_range=False,
    )


OAS = Registration(
    endpoint_in=by_region("https://{region}.oas.aliyuncs.com"),
    region="cn-hangzhou",
    regions=(
        "cn-hangzhou",
        "cn-hangzhou-internal",
        "cn-beijing",
        "cn-hongkong",
        "cn-qingdao",
        "cn-shenzhen",
    ),
    keys=IniFile(
        name=".oascredentials",
        section="OASCredentials",
        names={
            "host": "endpoint",
            "port": "port",
            "accessid": "access_key_id",
            "accesskey": "secret_access_key",
        },
    ),
    dialect=oas,
    names_account=False,
)
"""Endpoint as in the documentation, "Calling the API". The file is that of Aliyun's `oascmd.py`."""
