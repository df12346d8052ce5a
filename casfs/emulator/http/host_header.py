"""Merges several Host headers for the same host into one, before the parser sees them.

The official Python 2 SDKs of Tencent CAS and Aliyun OAS send two when they stream an upload: one
from their HTTP library, with the port, then their own, without it, which is the one they sign. RFC
9112 (section 3.2) requires servers to reject that, and aiohttp does. So only the last one is passed
on, at the end of the head. Everything else passes unchanged, including two different hosts.
"""

import asyncio
import re

_LINE_LIMIT = 1 << 16
"""Bytes of a line to buffer before the filter gives up."""

_HOST = re.compile(rb"host:\s*(.*?)(?::\d*)?\s*", re.IGNORECASE)


class HeadFilter:
    """Filters the request heads of one connection."""

    def __init__(self) -> None:
        self._line = b""
        self._body_left = 0
        self._gives_up = False
        self._begin()

    def _begin(self) -> None:
        self._hosts: list[bytes] = []
        self._length: int | None = 0

    def feed(self, data: bytes) -> bytes:
        """Accept the next bytes received, and return those to pass on now."""
        passed = []
        while data and not self._gives_up:
            if self._body_left:
                body, data = data[: self._body_left], data[self._body_left :]
                self._body_left -= len(body)
                passed.append(body)
                continue
            end = data.find(b"\n") + 1 or len(data)
            self._line += data[:end]
            data = data[end:]
            if self._line.endswith(b"\n"):
                passed += self._passed(self._line)
                self._line = b""
            self._gives_up = self._gives_up or len(self._line) > _LINE_LIMIT
        if self._gives_up:
            passed += [*self._hosts, self._line, data]
            self._hosts, self._line = [], b""
        return b"".join(passed)

    def _passed(self, line: bytes) -> list[bytes]:
        """Process one line of a head, and return the lines to pass on now."""
        if not line.strip(b"\r\n"):
            names = {form[1].lower() for host in self._hosts if (form := _HOST.fullmatch(host))}
            hosts = self._hosts[-1:] if len(names) == 1 else self._hosts
            # The end of a body is unknown if it is chunked or its length is malformed.
            self._gives_up = self._length is None
            self._body_left = self._length or 0
            self._begin()
            return [*hosts, line]
        name, _, value = line.lower().partition(b":")
        if name == b"host":
            self._hosts.append(line)
            return []
        if name == b"content-length" and self._length is not None:
            value = value.strip()
            self._length = int(value) if value.isdigit() else None
        elif name == b"transfer-encoding":
            self._length = None
        return [line]


class HostHeaderProtocol(asyncio.Protocol):
    """Wraps the protocol of a connection, and passes on what the filter returns."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self._filter = HeadFilter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on."""
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inner.eof_received()

    def data_received(self, data: bytes) -> None:
        """Filter, and pass on."""
        passed = self._filter.feed(data)
        if passed:
            self._inner.data_received(passed)
