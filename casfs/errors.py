"""Every error of casfs, each an `OSError` with the errno that a program reading the mount sees.

    CasfsError                 EIO
    ├── ConfigError            EINVAL     the configuration or command line cannot be used
    ├── MountError             EIO        the mount cannot be made or taken away
    ├── NotFoundError          ENOENT     no such vault, job or file
    ├── NotReadyError          EAGAIN     the job is still running
    ├── ExpiredError           ESTALE     the output is gone and the block is not cached
    ├── DeniedError            EACCES     the service refuses our credentials or the account
    │   └── ForbiddenError                it knows the key, which may not do this
    ├── ReadOnlyError          EROFS      any write
    ├── DeadlineError          ETIMEDOUT  no answer inside the deadline
    ├── RequestError           EIO        the service refuses the request; asking again is no use
    ├── OutputMismatchError    EIO        an output that as a whole is not what the job says
    ├── SizeError              EIO        an output of another size than was measured before
    ├── InventoryError         EIO        an inventory that is malformed or cut off
    ├── UnreadError            EIO        nobody reads what comes; it reaches no user
    ├── ThreadError            EIO        the system does not allow one thread more
    └── TransientError         EIO        may succeed when asked again, and was asked again
        ├── UnreachableError              no connection, or it broke or stalled
        ├── ThrottledError                the service asks us to slow down
        ├── ServerError                   the service failed (5xx)
        ├── WrongAnswerError              not what was asked: range, length, form
        │   └── ForeignAnswerError        not the service's answer: a gateway's or a proxy's
        └── MismatchError                 bytes that do not match their tree hash

A message says what happened, to what, and what to do.
"""

import errno
from typing import ClassVar

from casfs.sanitize import redacted


class CasfsError(OSError):
    """The root of the tree; `errno` is always a real one.

    A message may quote a service, a proxy or a library: what shows itself as a secret is left out.
    """

    code: ClassVar[int] = errno.EIO

    def __init__(self, message: str) -> None:
        super().__init__(self.code, redacted(message))

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[type["CasfsError"], tuple[str]]:
        # Worker processes send errors home by pickle; that of OSError would pass the errno too.
        return type(self), (str(self),)


class ConfigError(CasfsError):
    """The configuration or the command line cannot be used."""

    code = errno.EINVAL


class MountError(CasfsError):
    """The mount cannot be made or taken away."""


class NotFoundError(CasfsError):
    """No such vault, job or file."""

    code = errno.ENOENT


class NotReadyError(CasfsError):
    """The job is still running: its output comes later."""

    code = errno.EAGAIN


class ExpiredError(CasfsError):
    """The output is gone from the service and the block is not in the cache."""

    code = errno.ESTALE


class DeniedError(CasfsError):
    """The service refuses the credentials or the account."""

    code = errno.EACCES


class ForbiddenError(DeniedError):
    """The service knows the key, and does not allow it this request; it may allow others."""


class ReadOnlyError(CasfsError):
    """A write to the read-only tree."""

    code = errno.EROFS


class DeadlineError(CasfsError):
    """No answer inside the deadline."""

    code = errno.ETIMEDOUT


class RequestError(CasfsError):
    """The service refuses the request, and would refuse it again."""


class OutputMismatchError(CasfsError):
    """An output that as a whole does not match its job's tree hash.

    It is not asked for again by itself: that would be all of it, when most was handed on already.
    """


class SizeError(CasfsError):
    """An output that has another size than was measured before; to be opened anew."""


class InventoryError(CasfsError):
    """An inventory that is malformed or cut off, so that what is read of it would be too short."""


class UnreadError(CasfsError):
    """Nobody reads what comes, so it is not taken any further; it reaches no user."""


class ThreadError(CasfsError):
    """The system does not allow one thread more."""


class TransientError(CasfsError):
    """A failure that asking again may mend; it reaches a user only after asking again failed.

    Attributes:
        retry_after: seconds for which the service asks to be left alone, None if it does not.
        received: bytes that a read brought before it failed.
    """

    retry_after: float | None = None
    received: int = 0


class UnreachableError(TransientError):
    """No connection to the service, or it broke or stalled."""


class ThrottledError(TransientError):
    """The service asks us to slow down."""


class ServerError(TransientError):
    """The service failed to answer (5xx, or its own time-out)."""


class WrongAnswerError(TransientError):
    """An answer that is not what was asked for: its range, its length or its form."""


class ForeignAnswerError(WrongAnswerError):
    """An answer without the service's own code: somebody on the way there gave it.

    Attributes:
        status: of an error answer.
    """

    status: int | None = None


class MismatchError(TransientError):
    """Bytes that do not match their tree hash; they are never handed on."""
