"""Logs each answer as a line of JSON, so that tests can count what a client requested."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web


@dataclass
class AskedJob:
    """A job that a request asks for, as far as its body says.

    Attributes:
        archive: id of the archive; None for an inventory.
        tier: of the retrieval.
        part: first and last byte, None for the whole archive.
        job: id of the job that was started, None as long as none was.
    """

    archive: str | None = None
    tier: str | None = None
    part: str | None = None
    job: str | None = None

    @classmethod
    def of(cls, body: bytes, has_tiers: bool) -> "AskedJob":
        """Return what the body of a request asks for."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(fields, dict) or not isinstance(fields.get("ArchiveId"), str):
            return cls()
        tier, part = fields.get("Tier"), fields.get("RetrievalByteRange")
        named = str(tier or "Standard") if has_tiers else None
        return cls(fields["ArchiveId"], named, str(part) if part else None)


class AccessLog:
    """The open log; a context manager.

    Each line has `time` (Unix seconds), `method`, `path` (as sent), `query` (as sent), `range` and
    `content_range` (headers or null), `status` (null if no answer was sent), `bytes` of the body
    sent, `fault` (name or null) and `request_id`. It is written before the last bytes of the answer
    are sent, so that a client that has the whole answer finds its line.

    The line of a request for a job also has `archive`, `tier` and `part` (id, name, and `a-b`; null
    where there is none), and `job`, the id of the job that was started, whatever became of the
    answer (null if none was).

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

    def write(  # noqa: PLR0913 (the fields of a line)
        self,
        request: "web.BaseRequest",
        request_id: str,
        status: int | None,
        content_range: str | None,
        count: int,
        fault: str | None,
        asked: "AskedJob | None" = None,
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
        if asked is not None:
            line |= asdict(asked)
        self._file.write(json.dumps(line) + "\n")
