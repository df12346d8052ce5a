"""Servers in processes of their own, as they start: they print their URL once they answer."""

import os
import select
import subprocess
import time
from pathlib import Path

_READY_SECONDS = 60


def printed_url(process: "subprocess.Popen[bytes]", errors: Path) -> str:
    """The line that a server prints when it is ready; fails if it ends, or prints none in time.

    Args:
        process: the server, whose standard output is a pipe.
        errors: where its standard error goes, for the message.
    """
    out = process.stdout
    assert out is not None
    text, end = b"", time.monotonic() + _READY_SECONDS
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([out], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(out.fileno(), 4096) if ready else b""
        if not piece:
            raise RuntimeError(f"{process.args!r} did not start: {errors.read_text()}")
        text += piece
    return text.decode().strip()
