"""Makes one Host header of several that name the same host, before the parser sees them.

The official Python 2 SDKs of Tencent CAS and Aliyun OAS send two when they stream an upload: that
of their HTTP library, with the port, then their own, without, which is the one that they sign. RFC
9112 (section 3.2) has a server refuse that, and aiohttp does, so that the last is left here, at the
end of the head. All else passes as it came, two different hosts included.
"""

import asyncio
import re

_LINE_LIMIT = 1 << 16
"""Bytes of a line that are waited for."""

_HOST = re.compile(rb"host:\s*(.*?)(?::\d*)?\s*", re.IGNORECASE)


class HeadFilter:
    """Follows one connection from head to head."""

    def __init__(self) -> None:
        self._line = b""
        self._body_left = 0
        self._gives_up = False
        self._begin()

    def _begin(self) -> None:
        self._hosts: list[bytes] = []
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
        """Take note of one line of a head and return the lines that may go on now."""
        if not line.strip(b"\r\n"):
            names = {form[1].lower() for host in self._hosts if (form := _HOST.fullmatch(host))}
            hosts = self._hosts[-1:] if len(names) == 1 else self._hosts
            # The length of a body in chunks, or of one that is nonsense, cannot be followed.
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
