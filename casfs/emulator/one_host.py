"""Drops a Host header that only repeats another, before the parser of requests sees it.

The official Python 2 SDK of Aliyun OAS sends two when it streams an upload: the one of its HTTP
library, with the port, and its own, without. RFC 9112 (section 3.2) has a server refuse that, and
aiohttp does, so that what is the same host twice is made one here. All else passes as it came, two
different hosts included.
"""

import asyncio
import re

_LINE_LIMIT = 1 << 16
"""Bytes of a line that are waited for."""

_PORT = re.compile(rb":\d*$")


class HeadFilter:
    """Follows one connection from head to head."""

    def __init__(self) -> None:
        self._line = b""
        self._body_left = 0
        self._gives_up = False
        self._begin()

    def _begin(self) -> None:
        self._host: bytes | None = None
        self._length: int | None = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes received and return those that may go on now."""
        passed = []
        while data and not self._gives_up:
            if self._body_left:
                body, data = data[: self._body_left], data[self._body_left :]
                self._body_left -= len(body)
                passed.append(body)
                continue
            end = data.find(b"\n") + 1
            if not end:
                self._line += data
                data = b""
                self._gives_up = len(self._line) > _LINE_LIMIT
                break
            line, data = self._line + data[:end], data[end:]
            self._line = b""
            if not self._repeats_host(line):
                passed.append(line)
        if self._gives_up:
            passed += [self._line, data]
            self._line = b""
        return b"".join(passed)

    def _repeats_host(self, line: bytes) -> bool:
        """Take note of one line of a head, and say whether it repeats the Host of that head."""
        if not line.strip(b"\r\n"):
            # The length of a body in chunks, or of one that is nonsense, cannot be followed.
            self._gives_up = self._length is None
            self._body_left = self._length or 0
            self._begin()
            return False
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip()
        if name == b"content-length" and self._length is not None:
            self._length = int(value) if value.isdigit() else None
        elif name == b"transfer-encoding":
            self._length = None
        elif name == b"host":
            host = _PORT.sub(b"", value).lower()
            if self._host == host:
                return True
            self._host = host
        return False


class OneHost(asyncio.Protocol):
    """Stands before the protocol of a connection and hands on what the filter passes."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self._filter = HeadFilter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand on."""
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        """Hand on."""
        return self._inner.eof_received()

    def data_received(self, data: bytes) -> None:
        """Hand on what may go on now."""
        passed = self._filter.feed(data)
        if passed:
            self._inner.data_received(passed)
