"""Logs each answer as a line of JSON, so that tests can count what a client requested."""

import json
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web


class AccessLog:
    """The open log; a context manager.

    Each line has `time` (Unix seconds), `method`, `path` (as sent), `query` (as sent), `range` and
    `content_range` (headers or null), `status` (null if no answer was sent), `bytes` of the body
    sent, `fault` (name or null) and `request_id`. It is written before the last bytes of the answer
    are sent, so that a client that has the whole answer finds its line.

    Args:
        file: to append to; None = no log.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file.open("a", encoding="utf-8", buffering=1) if file else None

    def __enter__(self) -> "AccessLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(
        self,
        request: "web.BaseRequest",
        request_id: str,
        status: int | None,
        content_range: str | None,
        count: int,
        fault: str | None,
    ) -> None:
        """Append a line; `count` is in bytes."""
        if self._file is None:
            return
        path, _, query = request.raw_path.partition("?")
        line = {
            "time": time.time(),
            "method": request.method,
            "path": path,
            "query": query,
            "range": request.headers.get("Range"),
            "status": status,
            "content_range": content_range,
            "bytes": count,
            "fault": fault,
            "request_id": request_id,
        }
        self._file.write(json.dumps(line) + "\n")
