"""Servers in processes of their own, as they start: they print their URL once they answer."""

import os
import select
import time
from pathlib import Path

_READY_SECONDS = 60


def printed_url(output: int, errors: Path) -> str:
    """The line that a server prints when it is ready; fails if it ends, or prints none in time.

    Args:
        output: the pipe that is its standard output.
        errors: where its standard error goes, for the message.
    """
    text, end = b"", time.monotonic() + _READY_SECONDS
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([output], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(output, 4096) if ready else b""
        if not piece:
            raise RuntimeError(f"a server did not start: {errors.read_text()}")
        text += piece
    return text.decode().strip()
