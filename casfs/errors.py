"""Every error of casfs, each an `OSError` with the errno that a program reading the mount sees.

    CasfsError                 EIO
    ├── ConfigError            EINVAL     the configuration or command line cannot be used
    ├── LedgerError            EIO        the record of requests cannot be used, so nothing is sent
    ├── CatalogError           EIO        the catalog cannot be read or written
    │   └── CacheError                    it cannot be found out what is cached
    ├── DestinationError       EIO        a restored file cannot be written
    │   ├── DestinationBusyError EBUSY another restore writes to the directory
    │   └── DestinationDiskError       the disk of a restore fails, so nothing more can be written
    │       ├── DestinationFullError ENOSPC that disk is full
    │       └── DestinationSyncError   that disk can never sync files, so another one is needed
    ├── MountError             EIO        the mount cannot be created or removed
    │   ├── LibraryError                  internal: libfuse failed; it printed why
    │   └── PrivateMountError             another user's, who alone can look at it
    ├── NotFoundError          ENOENT     no such vault, job or file
    ├── NotReadyError          EAGAIN     the job is still running
    ├── ExpiredError           ESTALE     the output is gone and the block is not cached
    ├── DeniedError            EACCES     the service rejects the credentials or the account
    │   └── ForbiddenError                the key is valid, but not allowed to do this
    ├── DeadlineError          ETIMEDOUT  no answer before the deadline
    ├── RequestError           EIO        the service rejects the request; retrying is pointless
    ├── ShortRangeError        EIO        internal: a GET brings less than it asked for
    ├── OutputMismatchError    EIO        the whole output does not match its job's tree hash
    ├── SizeError              EIO        the size of an output is not the one measured before
    ├── InventoryError         EIO        an inventory is malformed or truncated
    ├── NotKeptError           EIO        the disk of the cache did not keep what was fetched
    ├── ThreadError            EIO        the system's limit on threads is reached
    └── TransientError         EIO        a retry may succeed; raised after retries failed
        ├── UnreachableError              no connection, or it broke or stalled
        ├── ThrottledError                the service asks clients to slow down
        ├── ServerError                   the service failed (5xx)
        ├── WrongAnswerError              an answer has the wrong range, length or form
        │   └── ForeignAnswerError        the answer came from a gateway or proxy
        └── MismatchError                 bytes do not match their tree hash

A message says what happened, to what, and what to do.
"""

import errno
from typing import ClassVar

from casfs.sanitize import redacted


class CasfsError(OSError):
    """The root of the tree; `errno` is always a real one.

    Messages may quote a service, a proxy or a library, so recognizable secrets are redacted.
    """

    code: ClassVar[int] = errno.EIO

    def __init__(self, message: str) -> None:
        super().__init__(self.code, redacted(message))

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[type["CasfsError"], tuple[str]]:
        # Worker processes pickle errors; OSError would pass the errno as another argument.
        return type(self), (str(self),)


class ConfigError(CasfsError):
    """The configuration or the command line cannot be used."""

    code = errno.EINVAL


class LedgerError(CasfsError):
    """The record of requests cannot be written, read or understood, so nothing is sent."""


class CatalogError(CasfsError):
    """The catalog cannot be read or written: another process writes, or its disk fails."""


class CacheError(CatalogError):
    """It cannot be found out what is cached, so nothing is forgotten, or requested again."""


class DestinationError(CasfsError):
    """A restored file cannot be written, or is not on disk as it was written."""


class DestinationBusyError(DestinationError):
    """Another restore writes to the directory."""

    code = errno.EBUSY


class DestinationDiskError(DestinationError):
    """The disk to which a restore writes fails, so nothing more can be written."""


class DestinationFullError(DestinationDiskError):
    """The disk to which a restore writes is full."""

    code = errno.ENOSPC


class DestinationSyncError(DestinationDiskError):
    """The disk to which a restore writes can never sync files: running it again cannot help."""


class MountError(CasfsError):
    """The mount cannot be created or removed."""


class PrivateMountError(MountError):
    """The mount belongs to another user, and only that user can look at it."""


class LibraryError(MountError):
    """Internal: libfuse failed to mount; it printed why, which the final message repeats."""


class NotFoundError(CasfsError):
    """There is no such vault, job or file."""

    code = errno.ENOENT


class NotReadyError(CasfsError):
    """The job is still running and has no output yet."""

    code = errno.EAGAIN


class ExpiredError(CasfsError):
    """The output is gone from the service and the block is not in the cache.

    Attributes:
        job: id of the job whose output the service no longer has, None if it did not say so of one.
    """

    code = errno.ESTALE
    job: str | None = None


class DeniedError(CasfsError):
    """The service rejects the credentials or the account."""

    code = errno.EACCES


class ForbiddenError(DeniedError):
    """The key is valid, but not allowed to make this request; other requests may work."""


class DeadlineError(CasfsError):
    """There was no answer before the deadline."""

    code = errno.ETIMEDOUT


class RequestError(CasfsError):
    """The service rejects the request, and would reject it again."""


class ShortRangeError(CasfsError):
    """Internal: the service gives a part of a range of several blocks; fewer are asked for then."""


class OutputMismatchError(CasfsError):
    """The whole output does not match its job's tree hash.

    It is not retried by itself: that would download all of it, after most was handed to readers.
    """


class SizeError(CasfsError):
    """The size of an output is not the one measured before; the output must be reopened."""


class InventoryError(CasfsError):
    """An inventory is malformed or truncated, so a listing made from it would be incomplete."""


class NotKeptError(CasfsError):
    """The cache did not keep what was fetched."""


class ThreadError(CasfsError):
    """A thread cannot be started because the system's limit is reached."""


class TransientError(CasfsError):
    """A failure that a retry may fix; users see it only after all retries failed.

    Attributes:
        retry_after: seconds that the service asks to wait before a retry, None if it does not.
        received: bytes that arrived before the failure.
        status: HTTP status of the answer, if it is an error.
    """

    retry_after: float | None = None
    received: int = 0
    status: int | None = None


class UnreachableError(TransientError):
    """The service cannot be reached, or the connection broke or stalled."""


class ThrottledError(TransientError):
    """The service asks clients to slow down."""


class ServerError(TransientError):
    """The service failed to answer (5xx, or a time-out of its own)."""


class WrongAnswerError(TransientError):
    """An answer has the wrong range, length or form."""


class ForeignAnswerError(WrongAnswerError):
    """An answer without one of the service's own codes: a gateway or proxy sent it."""


class MismatchError(TransientError):
    """Bytes do not match their tree hash; they are never handed to readers."""
