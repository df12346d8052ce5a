"""Codes of error answers: what they mean, and where an answer carries one."""

import re
from collections.abc import Mapping
from typing import Any

from casfs.errors import (
    CasfsError,
    DeniedError,
    ForbiddenError,
    NotFoundError,
    NotReadyError,
    RequestError,
    ServerError,
    ThrottledError,
)
from casfs.service.service_tuning import TUNING

COMMON_ERRORS: dict[str, type[CasfsError]] = {
    **dict.fromkeys(
        (
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "InsufficientCapacityException",
            "LimitExceededException",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
            "TransactionInProgressException",
        ),
        ThrottledError,
    ),
    **dict.fromkeys(
        (
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServiceError",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ),
        ServerError,
    ),
}
"""Codes that mean "later" with every service, whatever the status (botocore's `retries.standard`
and `_retry.json`; Amazon Glacier Developer Guide, "Error Responses")."""

VAULT_ERRORS: dict[str, type[CasfsError]] = {
    "AccessDeniedException": ForbiddenError,
    "ExpiredTokenException": DeniedError,
    "IncompleteSignature": DeniedError,
    "InvalidClientTokenId": DeniedError,
    "InvalidSignatureException": DeniedError,
    "MissingAuthenticationTokenException": DeniedError,
    "OptInRequired": DeniedError,
    "RequestExpired": DeniedError,
    "SignatureDoesNotMatch": DeniedError,
    "UnrecognizedClientException": DeniedError,
    "ResourceNotFoundException": NotFoundError,
    "BadRequest": RequestError,
    "InvalidParameterValueException": RequestError,
    "MissingParameterValueException": RequestError,
    "NoLongerSupportedException": RequestError,
    "PolicyEnforcedException": RequestError,
    "SerializationException": RequestError,
}
"""Meaning of each code of Amazon Glacier (Developer Guide, "Error Responses" and "Common Errors")
and of Tencent CAS (documentation, "Error codes"), which copies them. The code decides, not the
status: throttling and, with CAS, wrong signatures come as 400."""

OAS_ERRORS: dict[str, type[CasfsError]] = {
    "AccessDenied": ForbiddenError,
    **dict.fromkeys(
        ("InvalidAccessKeyId", "RequestTimeTooSkewed", "SignatureDoesNotMatch"), DeniedError
    ),
    **dict.fromkeys(
        (
            "ArchiveNotExists",
            "JobNotExists",
            "PartIdNotExists",
            "UploadIdNotExists",
            "VaultNotExists",
        ),
        NotFoundError,
    ),
    "JobNotReady": NotReadyError,
    **dict.fromkeys(
        (
            "InvalidArgument",
            "InvalidRange",
            "InvalidRequest",
            "InvalidVaultName",
            "JobJsonFormatError",
            "JobNoOutput",
            "MethodNotAllowed",
            "MissingArgument",
            "ParameterIllegal",
        ),
        RequestError,
    ),
}
"""Meaning of the codes of Aliyun OAS that a client that uploads nothing may meet (documentation,
"Error responses"); those of signatures are not documented, and are the object store's."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*")
_ERROR_TYPES = ("client", "server", "unknown")
_NO_VAULT_OF_MOTO = {"__type": "VaultNotFound", "message": "Vault not found"}


def error_code(header: str | None, body: Any) -> str:
    """Return the code that an error answer carries, whoever gave it; "" if it carries none.

    The services say `code`. AWS's other protocols, which its gateways and stand-ins speak, say
    `Code`, `__type` with a namespace in front ("com.amazonaws.glacier#ThrottlingException"), or a
    header with a URI behind ("ThrottlingException:http://internal.amazon.com/...").

    Args:
        header: the answer's `x-amzn-ErrorType`.
        body: what its body holds as JSON.
    """
    found = [header]
    if isinstance(body, Mapping):
        found += [body.get(key) for key in ("code", "Code", "__type")]
    return next(filter(None, map(_plain, found)), "")


def own_code(body: Any) -> str:
    """Return the code that an error answer carries where the service itself puts it, else "".

    All three services put it into `code` of a JSON object, and nowhere else. A header or `__type`
    is what other services of the same provider send, such as Amazon's API Gateway on the way.
    moto, which many test against, is known by its whole body.

    Args:
        body: what the answer's body holds as JSON.
    """
    if body == _NO_VAULT_OF_MOTO:
        return _plain(body["__type"])
    return _plain(body.get("code")) if isinstance(body, Mapping) else ""


def is_service_form(body: Any) -> bool:
    """Return whether a body has the form in which all three services report errors.

    It is `{"code": ..., "message": ..., "type": "Client"}`, or another of three types (Tencent CAS
    and Aliyun OAS: "Error responses"; Amazon Glacier: "Error Responses").
    """
    return has_message(body) and str(body.get("type")).lower() in _ERROR_TYPES


def has_message(body: Any) -> bool:
    """Return whether a body has a code and a message, as each error of a service has."""
    return bool(own_code(body)) and isinstance(body.get("message"), str)


def _plain(value: Any) -> str:
    """Return a code without namespace and URI, "" if the value is not a code."""
    if not isinstance(value, str):
        return ""
    # The URI behind the code may have a "#" of its own.
    code = value[: TUNING.longest_code * 2].partition(":")[0].rpartition("#")[2].strip()
    return code if len(code) <= TUNING.longest_code and _CODE.fullmatch(code) else ""
