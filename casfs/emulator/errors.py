"""Why the engine refuses a call, in words of no particular dialect.

    Refused
    ├── NotThere       the vault, archive, job or upload does not exist
    ├── NotEmpty       a vault that still holds archives cannot be deleted
    ├── BadValue       a parameter is missing its form, its alignment or its limits
    ├── TooMany        a quota of the account
    ├── WrongDigest    bytes that do not hash to what the caller says
    ├── NotReady       the output of a job that has not succeeded
    └── PastEnd        a range that begins behind the last byte of the output

A dialect turns each into its own code, status and body.
"""


class Refused(Exception):
    """A call the engine will not do; the text is fit for the caller's eyes."""


class NotThere(Refused):
    """What the call names does not exist."""


class NotEmpty(Refused):
    """The vault still holds archives."""


class BadValue(Refused):
    """A value the call may not have."""


class TooMany(Refused):
    """The account has reached a quota."""


class WrongDigest(Refused):
    """The bytes received are not the bytes announced."""


class NotReady(Refused):
    """The job has no output to read."""


class PastEnd(Refused):
    """The range begins behind the end of the output."""
