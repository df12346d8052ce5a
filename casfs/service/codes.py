"""Codes of error answers that services share."""

from casfs.errors import (
    CasfsError,
    DeniedError,
    ForbiddenError,
    NotFoundError,
    RequestError,
    ServerError,
    ThrottledError,
)

VAULT_ERRORS: dict[str, type[CasfsError]] = {
    "AccessDeniedException": ForbiddenError,
    "ExpiredTokenException": DeniedError,
    "InvalidSignatureException": DeniedError,
    "MissingAuthenticationTokenException": DeniedError,
    "UnrecognizedClientException": DeniedError,
    "ResourceNotFoundException": NotFoundError,
    "ThrottlingException": ThrottledError,
    "RequestTimeoutException": ServerError,
    "ServiceUnavailableException": ServerError,
    "BadRequest": RequestError,
    "InvalidParameterValueException": RequestError,
    "LimitExceededException": RequestError,
    "MissingParameterValueException": RequestError,
    "PolicyEnforcedException": RequestError,
    "SerializationException": RequestError,
}
"""Meaning of each code of Amazon Glacier (Developer Guide, "Error Responses") and of Tencent CAS
(documentation, "Error codes"), which copies them. The code decides, not the status: throttling and,
with CAS, wrong signatures come as 400."""
