"""The command `casfs`, run to its end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.forked import ForkedProcess

CASFS = str(Path(sys.executable).with_name("casfs"))
_SECONDS = 60.0


def run_command(
    arguments: Sequence[str | bytes | Path],
    environment: Mapping[str, str],
    given: bytes | None = None,
) -> "subprocess.CompletedProcess[bytes]":
    """Run it with some standard input, none if None is given; its output is bytes."""
    texts = [os.fsdecode(argument) for argument in arguments]
    if starts_otherwise(environment):
        return subprocess.run(
            [CASFS, *texts], env=environment, capture_output=True, timeout=_SECONDS, input=given
        )
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
    ):
        stdin.write(given or b"")
        stdin.seek(0)
        files = stdin.fileno(), out.fileno(), errors.fileno()
        process = ForkedProcess(casfs, texts, environment, files)
        status = process.wait(_SECONDS)
        if status is None:
            process.kill()
            process.wait(_SECONDS)
            raise subprocess.TimeoutExpired([CASFS, *texts], _SECONDS)
        for file in (out, errors):
            file.seek(0)
        return subprocess.CompletedProcess([CASFS, *texts], status, out.read(), errors.read())


def starts_otherwise(environment: Mapping[str, str]) -> bool:
    """Whether Python looks at these variables when it starts, and would find other values."""
    return any(
        value != os.environ.get(name)
        for name, value in environment.items()
        if name.startswith(("LC_", "LANG", "PYTHON"))
    )


def casfs() -> None:
    """Be the command."""
    from casfs.cli.main import main

    main()
