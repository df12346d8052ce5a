"""Which code and status of Tencent CAS says what the engine or the signature check refuses.

Source: CAS documentation, Error codes. It does not say which code answers which mistake: those
follow Amazon Glacier 2012-06-01, and the open ones are switches.
"""

from casfs.emulator import errors
from casfs.emulator.cas_form import error
from casfs.emulator.dialect import Reply
from casfs.emulator.settings import OpenQuestions
from casfs.emulator.signature import Flaw, SignatureError

_ERROR_CODES: dict[type[errors.EngineError], str] = {
    errors.NotThereError: "ResourceNotFoundException",
    errors.ForeignError: "AccessDeniedException",
    errors.BadValueError: "InvalidParameterValueException",
    errors.TooManyError: "LimitExceededException",
    errors.WrongDigestError: "InvalidDigest",
    errors.NotReadyError: "InvalidParameterValueException",
    errors.PastEndError: "InvalidParameterValueException",
}

_FLAW_CODES = {
    Flaw.MISSING: "MissingAuthenticationTokenException",
    Flaw.UNKNOWN_KEY: "UnrecognizedClientException",
    Flaw.EXPIRED: "InvalidSignatureException",
    Flaw.WRONG: "InvalidSignatureException",
}


def reply(refused: SignatureError | errors.EngineError, questions: OpenQuestions) -> Reply:
    """Return the answer to a call that is refused.

    Args:
        refused: why.
        questions: the open questions: statuses of late signatures, late ranges, running jobs.
    """
    if isinstance(refused, SignatureError):
        if refused.flaw is Flaw.EXPIRED and questions.expired_signature == "403":
            return error("ExpiredTokenException", str(refused))
        return error(_FLAW_CODES[refused.flaw], str(refused))
    if isinstance(refused, errors.NotEmptyError):
        # The text of the CAS documentation, Delete Vault.
        return error("BadRequest", "vault is not empty, only empty vault can be delete")
    code = next(code for kind, code in _ERROR_CODES.items() if isinstance(refused, kind))
    status = None
    if isinstance(refused, errors.PastEndError):
        status = int(questions.range_past_end)
    if isinstance(refused, errors.NotReadyError) and questions.unfinished_output == "404":
        code = "ResourceNotFoundException"
    return error(code, str(refused), status)
