"""Why the engine refuses a call, in words of no particular dialect.

    EngineError
    ├── NotThereError       what the path names does not exist
    │   ├── NoVaultError
    │   ├── NoArchiveError
    │   ├── NoJobError
    │   └── NoUploadError
    ├── ForeignError        it belongs to another account
    ├── NotEmptyError       a vault that still holds archives cannot be deleted
    ├── NoMethodError       what the path names cannot do that
    ├── MissingValueError   a value that the call needs is not given
    │   └── MissingLengthError  the length of a body
    ├── MalformedBodyError  the body is not what the call takes
    ├── BadValueError       a value of the wrong form, alignment or size
    │   ├── BadDigestError  a digest that is none
    │   ├── BadParamError   a parameter of the query
    │   ├── BadPartError    where a part of an upload is, or what is missing there
    │   ├── BadVaultNameError
    │   └── BadRangeError   the range of an output
    │       └── PastEndError    it begins behind the last byte
    ├── TooManyError        a quota of the account
    ├── WrongDigestError    bytes that do not hash to what the caller says
    └── NotReadyError       the output of a job that is running
        └── NoOutputError   the output of a job that has failed

A dialect turns each into its own code, status and body.
"""


class EngineError(Exception):
    """A call the engine will not do; the text is fit for the caller's eyes."""


class NotThereError(EngineError):
    """What the call names does not exist."""


class NoVaultError(NotThereError):
    """There is no vault of the name that `vault` says."""

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
    """There is no such upload in the vault, or it has ended."""

    def __init__(self, upload: str) -> None:
        super().__init__(f"The upload ID was not found: {upload}")


class ForeignError(EngineError):
    """What the call names belongs to another account."""


class NotEmptyError(EngineError):
    """The vault that `vault` names still holds archives."""

    def __init__(self, vault: str) -> None:
        super().__init__(f"The vault is not empty: {vault}")
        self.vault = vault


class NoMethodError(EngineError):
    """What the path names has no such method."""


class MissingValueError(EngineError):
    """A value that the call needs is not given."""


class MissingLengthError(MissingValueError):
    """The length of a body is not given."""


class MalformedBodyError(EngineError):
    """The body is not what the call takes."""


class BadValueError(EngineError):
    """A value the call may not have."""


class BadDigestError(BadValueError):
    """A value that is no digest."""


class BadParamError(BadValueError):
    """A value that a parameter of the query may not have."""


class BadPartError(BadValueError):
    """A part of an upload is at the wrong place, or missing."""


class BadVaultNameError(BadValueError):
    """A name that a vault may not have."""


class BadRangeError(BadValueError):
    """A range that an output cannot be read in."""


class PastEndError(BadRangeError):
    """The range begins behind the end of the output."""


class TooManyError(EngineError):
    """The account has reached a quota."""


class WrongDigestError(EngineError):
    """The bytes received are not the bytes announced."""


class NotReadyError(EngineError):
    """The job has no output to read."""


class NoOutputError(NotReadyError):
    """The job has failed and will never have an output to read."""
