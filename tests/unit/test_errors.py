"""Every error is an OSError with the errno that the documentation promises."""

import errno
import pickle

import pytest

from casfs import errors

PROMISED = {
    "CasfsError": errno.EIO,
    "ConfigError": errno.EINVAL,
    "LedgerError": errno.EIO,
    "CatalogError": errno.EIO,
    "CacheError": errno.EIO,
    "DestinationError": errno.EIO,
    "DestinationBusyError": errno.EBUSY,
    "DestinationDiskError": errno.EIO,
    "DestinationFullError": errno.ENOSPC,
    "DestinationSyncError": errno.EIO,
    "LibraryError": errno.EIO,
    "MountError": errno.EIO,
    "PrivateMountError": errno.EIO,
    "NotFoundError": errno.ENOENT,
    "NotReadyError": errno.EAGAIN,
    "ExpiredError": errno.ESTALE,
    "DeniedError": errno.EACCES,
    "ForbiddenError": errno.EACCES,
    "DeadlineError": errno.ETIMEDOUT,
    "RequestError": errno.EIO,
    "SizeError": errno.EIO,
    "OutputMismatchError": errno.EIO,
    "InventoryError": errno.EIO,
    "NotKeptError": errno.EIO,
    "ThreadError": errno.EIO,
    "TransientError": errno.EIO,
    "UnreachableError": errno.EIO,
    "ThrottledError": errno.EIO,
    "ServerError": errno.EIO,
    "WrongAnswerError": errno.EIO,
    "ForeignAnswerError": errno.EIO,
    "MismatchError": errno.EIO,
    "ShortRangeError": errno.EIO,
}


def kinds() -> dict[str, type[errors.CasfsError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.CasfsError)
    }


def test_no_error_is_without_a_promise():
    assert kinds().keys() == PROMISED.keys()


@pytest.mark.parametrize("name", PROMISED)
def test_an_error_has_its_errno_and_reads_as_its_message(name):
    error = kinds()[name]("what happened; what to do")
    assert isinstance(error, OSError)
    assert error.errno == PROMISED[name]
    assert str(error) == "what happened; what to do"


@pytest.mark.parametrize("name", PROMISED)
def test_the_tree_in_the_docstring_is_the_real_one(name):
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if f" {name} " in f"{line} ")
    indent = len(line) - len(line.lstrip(" │├└─"))
    depth = kinds()[name].__mro__.index(errors.CasfsError)
    assert indent == 4 * (depth + 1)
    named = [word for word in line.split() if word in errno.errorcode.values()]
    assert all(getattr(errno, word) == PROMISED[name] for word in named)


@pytest.mark.parametrize("name", PROMISED)
def test_only_what_may_succeed_next_time_is_transient(name):
    transient = {"UnreachableError", "ThrottledError", "ServerError", "WrongAnswerError"}
    transient |= {"MismatchError", "TransientError", "ForeignAnswerError"}
    assert issubclass(kinds()[name], errors.TransientError) == (name in transient)
    assert issubclass(errors.ExpiredError, errors.CasfsError)


def test_the_message_survives_a_process_boundary():
    """Programs that read in worker processes send errors home by pickle."""
    error = pickle.loads(pickle.dumps(errors.ExpiredError("gone")))
    assert isinstance(error, errors.ExpiredError)
    assert (error.errno, str(error)) == (errno.ESTALE, "gone")
