"""The first trap: the binding makes success of an `OSError` without errno, as requests raises."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from casfs.errors import DeniedError, ExpiredError
from casfs.mount.mount_options import Modes
from casfs.mount.operations import OpenFile, Operations
from casfs.tree.node import Directory
from tests.support.mounting import mounted
from tests.support.served import Served

WITHOUT_ERRNO = requests.exceptions.ConnectionError("connection reset")

BROKEN_PROGRAM = """
import requests
from casfs.{module} import {name}
def broken(*args, **kwargs):
    raise requests.exceptions.ConnectionError("connection reset")
{name}.{method} = broken
from casfs.cli.main import main
main()
"""


class Failing:
    """A client all of whose calls end with one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: object, **kwargs: object) -> Any:
            raise self._error

        return call


def outcome(error: Exception, operation: str, *arguments: Any) -> int | None:
    operations = Operations(Failing(error), Modes())  # type: ignore[arg-type]
    node = Directory("/x", 0)
    operations._files[1] = OpenFile(Failing(error), node, 0.0)  # type: ignore[arg-type]
    with pytest.raises(OSError) as raised:  # noqa: PT011 - which errno is the question
        operations(operation, *arguments)
    return raised.value.errno


CALLS: dict[str, tuple[Any, ...]] = {
    "getattr": ("/x", None),
    "opendir": ("/x",),
    "open": ("/x", SimpleNamespace(flags=0, fh=0)),
    "read": (None, 4096, 0, SimpleNamespace(fh=1)),
    "getxattr": ("/x", "user.casfs.verified"),
    "listxattr": ("/x",),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    "error",
    [WITHOUT_ERRNO, OSError(), OSError(-5, "negative"), RuntimeError("a bug"), KeyError("x")],
    ids=repr,
)
def test_whatever_is_raised_leaves_an_operation_as_eio(error: Exception, operation: str) -> None:
    assert WITHOUT_ERRNO.errno is None
    assert outcome(error, operation, *CALLS[operation]) == errno.EIO


def test_errors_of_casfs_keep_their_errno() -> None:
    assert outcome(ExpiredError("gone"), "read", *CALLS["read"]) == errno.ESTALE
    assert outcome(DeniedError("no"), "getattr", *CALLS["getattr"]) == errno.EACCES


@pytest.mark.parametrize(
    ("module", "name", "method"),
    [("blocks.reader", "Reader", "pread"), ("blocks.block_cache", "BlockCache", "open")],
)
def test_a_program_that_reads_sees_eio_and_no_success(
    service: Served, home: Path, module: str, name: str, method: str
) -> None:
    code = BROKEN_PROGRAM.format(module=module, name=name, method=method)
    with mounted(home, service.url, program=(sys.executable, "-c", code)) as mount:
        path = mount.path(*service.output("odd"))
        done = mount.run("cat", "--", path)
        assert done.returncode == 1
        assert done.stdout == ""
        assert "Input/output error" in done.stderr
        assert mount.errno(Path.read_bytes, path) == errno.EIO
        # The mount is none the worse for it.
        assert mount.list() == [".casfs", "vaults"]


def test_a_folder_that_cannot_be_listed_is_eio(service: Served, home: Path) -> None:
    code = BROKEN_PROGRAM.format(module="client", name="Client", method="list")
    with mounted(home, service.url, program=(sys.executable, "-c", code)) as mount:
        done = mount.run("ls", mount.mountpoint)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Input/output error" in done.stderr
