"""The reasons for which the engine refuses a call, independent of the dialect.

    EngineError
    ├── NotThereError       what the path names does not exist
    │   ├── NoVaultError
    │   ├── NoArchiveError
    │   ├── NoJobError
    │   └── NoUploadError
    ├── ForeignError        it belongs to another account
    ├── NotEmptyError       a vault that still holds archives cannot be deleted
    ├── NoMethodError       the resource does not support the method
    ├── MissingValueError   a required value is missing
    │   └── MissingLengthError  the length of a body
    ├── MalformedBodyError  the body is not what the call expects
    ├── BadValueError       a value has the wrong form, alignment or size
    │   ├── BadDigestError  a digest that is malformed
    │   ├── BadParamError   a parameter of the query
    │   ├── BadPartError    a part of an upload is misplaced or missing
    │   ├── BadVaultNameError
    │   └── BadRangeError   the range of an output
    │       └── PastEndError    it starts past the last byte
    ├── TooManyError        a quota of the account is exhausted
    ├── PolicyError         the data retrieval policy allows no more for now
    ├── CapacityError       there is no capacity for Expedited for now
    ├── WrongDigestError    bytes do not have the hash that the caller announced
    └── NotReadyError       the job of an output is still running
        └── NoOutputError   the job of an output has failed

Each dialect maps them to its own codes, statuses and bodies.
"""

import re


class EngineError(Exception):
    """The engine refuses a call; the message may be shown to the caller."""


class NotThereError(EngineError):
    """What the call names does not exist."""


class NoVaultError(NotThereError):
    """There is no vault named `vault`."""

    def __init__(self, vault: str) -> None:
        super().__init__(f"The vault was not found: {vault}")
        self.vault = vault


class NoArchiveError(NotThereError):
    """There is no such archive in the vault."""

    def __init__(self, archive: str | None) -> None:
        super().__init__(f"The archive ID was not found: {archive}")


class NoJobError(NotThereError):
    """There is no such job in the vault, or it has expired."""

    def __init__(self, job: str) -> None:
        super().__init__(f"The job ID was not found: {job}")


class NoUploadError(NotThereError):
    """There is no such upload in the vault, or it was completed or aborted."""

    def __init__(self, upload: str) -> None:
        super().__init__(f"The upload ID was not found: {upload}")


class ForeignError(EngineError):
    """What the call names belongs to another account."""


class NotEmptyError(EngineError):
    """The vault named `vault` still holds archives."""

    def __init__(self, vault: str) -> None:
        super().__init__(f"The vault is not empty: {vault}")
        self.vault = vault


class NoMethodError(EngineError):
    """The resource does not support the method."""


class MissingValueError(EngineError):
    """A required value is missing."""


class MissingLengthError(MissingValueError):
    """The length of a body is missing."""


class MalformedBodyError(EngineError):
    """The body is not what the call expects."""


class BadValueError(EngineError):
    """A value has the wrong form, alignment or size."""


class BadDigestError(BadValueError):
    """A digest is malformed."""


class BadParamError(BadValueError):
    """A parameter of the query has a bad value."""


class BadPartError(BadValueError):
    """A part of an upload is misplaced or missing."""


class BadVaultNameError(BadValueError):
    """A vault name is malformed."""


class BadRangeError(BadValueError):
    """A range of an output is malformed or not aligned."""


class PastEndError(BadRangeError):
    """A range starts past the end of the output."""


class TooManyError(EngineError):
    """The account has reached a quota."""


class PolicyError(EngineError):
    """The data retrieval policy of the account allows no more for now."""


class CapacityError(EngineError):
    """There is no capacity for another Expedited job for now."""


class WrongDigestError(EngineError):
    """The bytes received are not the bytes announced."""


class NotReadyError(EngineError):
    """The job has no output yet."""


class NoOutputError(NotReadyError):
    """The job has failed and will never have an output."""


def words(error: OSError) -> str:
    """Return why the system refused something, in words: without numbers of Python."""
    if error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return re.sub(r"\[Errno -?\d+\] ", "", str(error))
