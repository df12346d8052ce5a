"""The Glacier dialect: Amazon S3 Glacier's vault API, version 2012-06-01 (Developer Guide).

botocore signs, and brings keys as all of Amazon's tools know them. It is imported where it is used:
that takes a while, which only those who use this dialect should wait for.
"""

from typing import TYPE_CHECKING

from casfs.aws import AwsChain
from casfs.aws_settings import endpoint_in, tool_settings
from casfs.credentials import KeySource
from casfs.errors import NotFoundError
from casfs.job_requests import JobFeatures, Refusal, Tier
from casfs.service import fields
from casfs.service.codes import VAULT_ERRORS
from casfs.service.dialect import Dialect, InventoryFields, escape
from casfs.service.registration import Registration
from casfs.treehash import SHA256

if TYPE_CHECKING:
    from requests import PreparedRequest

_VERSION = "2012-06-01"
_NO_VAULT_OF_MOTO = "VaultNotFound"
"""Not Amazon's: moto, which many test against, says so."""


class GlacierAuthorization:
    """Signs a request with AWS Signature Version 4, by way of botocore."""

    def __init__(self, keys: KeySource, region: str) -> None:
        self._keys = keys
        self._region = region

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Add `x-amz-glacier-version`, `x-amz-date`, a token if need be, and `Authorization`.

        URL, `Host` and body must be what is sent. Nothing else is signed: a `Range` needs not be.
        """
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        request.headers["x-amz-glacier-version"] = _VERSION
        signed = AWSRequest(
            method=request.method,
            url=request.url,
            data=request.body or b"",
            headers={
                "Host": str(request.headers["Host"]),
                "x-amz-glacier-version": _VERSION,
            },
        )
        now = self._keys.current()
        key = Credentials(now.access_key_id, now.secret_access_key, now.session_token)
        SigV4Auth(key, "glacier", self._region).add_auth(signed)
        request.headers.update(dict(signed.headers))
        return request


def glacier(account: str, keys: KeySource, region: str) -> Dialect:
    """Return the wire form of Amazon Glacier."""
    return Dialect(
        name="glacier",
        authorization=GlacierAuthorization(keys, region),
        root=f"/{escape(account)}",
        tree_hash=SHA256,
        tree_hash_header="x-amz-sha256-tree-hash",
        request_id_header="x-amzn-RequestId",
        job_id_header="x-amz-job-id",
        job_features=JobFeatures(
            tiers=tuple(Tier),
            sns_topic=True,
            inventory_query=True,
            inventory_csv=True,
            policy=True,
        ),
        refusals={_NO_VAULT_OF_MOTO: Refusal.VAULT_GONE},
        description_header="x-amz-archive-description",
        vaults_limit=10,
        jobs_limit=50,
        tree_hash_field="SHA256TreeHash",
        archive_tree_hash_field="ArchiveSHA256TreeHash",
        inventory_fields=InventoryFields("VaultARN", "SHA256TreeHash"),
        date=fields.iso_date,
        errors=VAULT_ERRORS | {_NO_VAULT_OF_MOTO: NotFoundError},
        region=region,
        ca_variables=("AWS_CA_BUNDLE",),
    )


GLACIER = Registration(
    endpoint_in=endpoint_in,
    region="us-east-1",
    regions=(
        "af-south-1",
        "ap-east-1",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ca-central-1",
        "cn-north-1",
        "cn-northwest-1",
        "eu-central-1",
        "eu-north-1",
        "eu-south-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "me-south-1",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-gov-east-1",
        "us-gov-west-1",
        "us-west-1",
        "us-west-2",
    ),
    keys=AwsChain(),
    dialect=glacier,
    signs_region=True,
    tool_settings=tool_settings,
)
"""Amazon Glacier."""
