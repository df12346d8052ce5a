"""Why the engine refuses a call, in words of no particular dialect.

    EngineError
    ├── NotThereError       the archive, job or upload does not exist
    │   └── NoVaultError    the vault does not exist
    ├── ForeignError        it belongs to another account
    ├── NotEmptyError       a vault that still holds archives cannot be deleted
    ├── MissingValueError   a value that the call needs is not given
    ├── MalformedBodyError  the body is not what the call takes
    ├── BadValueError       a value of the wrong form, alignment or size
    ├── TooManyError        a quota of the account
    ├── WrongDigestError    bytes that do not hash to what the caller says
    ├── NotReadyError       the output of a job that has not succeeded
    └── PastEndError        a range that begins behind the last byte of the output

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


class ForeignError(EngineError):
    """What the call names belongs to another account."""


class NotEmptyError(EngineError):
    """The vault that `vault` names still holds archives."""

    def __init__(self, vault: str) -> None:
        super().__init__(f"The vault is not empty: {vault}")
        self.vault = vault


class MissingValueError(EngineError):
    """A value that the call needs is not given."""


class MalformedBodyError(EngineError):
    """The body is not what the call takes."""


class BadValueError(EngineError):
    """A value the call may not have."""


class TooManyError(EngineError):
    """The account has reached a quota."""


class WrongDigestError(EngineError):
    """The bytes received are not the bytes announced."""


class NotReadyError(EngineError):
    """The job has no output to read."""


class PastEndError(EngineError):
    """The range begins behind the end of the output."""
