"""Sends the bytes of an output with sendfile, as slow and as broken as configured."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import BinaryIO

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from casfs.emulator.engine.selection import Selection

_TAIL_SIZE = 4096
"""Bytes held back until the access log has its line; see `AccessLog`."""

_RATE_STEPS = 20
"""Pieces per second of an answer whose rate is limited."""


class Sender:
    """Sends one answer whose head is prepared.

    Args:
        request: the request to answer.
        selection: which bytes to send.
        file: has these bytes; open.
        rate: bytes per second; None = unlimited.
        log: writes the line of the access log, given the bytes of the body.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        selection: Selection,
        file: BinaryIO,
        rate: int | None,
        log: Callable[[int], None],
    ) -> None:
        self._request = request
        self._selection = selection
        self._file = file
        self._rate = rate
        self._log: Callable[[int], None] | None = log
        self._sent = 0

    async def send(
        self, writer: AbstractStreamWriter, fault: str | None, stall_seconds: float
    ) -> None:
        """Send head and body.

        Args:
            writer: of the prepared response.
            fault: the fault of the body, or None.
            stall_seconds: how long a stalled answer is kept open.

        Raises:
            ConnectionError: the client disconnected.
        """
        writer.send_headers()
        try:
            await self._body(writer, fault, stall_seconds)
        finally:
            self._note()

    async def _body(
        self, writer: AbstractStreamWriter, fault: str | None, stall_seconds: float
    ) -> None:
        length = self._selection.length
        half = length // 2
        if fault == "stall":
            await self._run(half)
            self._note()
            await asyncio.sleep(stall_seconds)
            abort(self._request)
        elif fault == "cut-body":
            await self._run(half)
            self._note()
            close(self._request)
        elif fault == "wrong-byte":
            await self._run(half)
            await self._wrong_byte(writer)
            await self._run(length)
        else:
            await self._run(length)

    async def _run(self, end: int) -> None:
        """Send up to byte `end` of the answer."""
        loop = asyncio.get_running_loop()
        begun, offset = loop.time(), self._sent
        while self._sent < end:
            count = end - self._sent
            if self._rate is not None:
                count = min(count, max(1, self._rate // _RATE_STEPS))
            if end == self._selection.length:
                count = self._held_back(count)
            await self._piece(count)
            if self._rate is not None:
                due = begun + (self._sent - offset) / self._rate
                await asyncio.sleep(max(0.0, due - loop.time()))

    def _held_back(self, count: int) -> int:
        left = self._selection.length - self._sent
        if left <= _TAIL_SIZE:
            self._note(self._selection.length)
            return count
        return min(count, left - _TAIL_SIZE)

    async def _piece(self, count: int) -> None:
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError("the client disconnected")
        place = self._selection.base + self._selection.first + self._sent
        try:
            sent = await asyncio.get_running_loop().sendfile(transport, self._file, place, count)
        except (ConnectionError, asyncio.CancelledError):
            # The position of the file shows how much was sent before the failure.
            self._sent += max(0, self._file.tell() - place)
            raise
        self._sent += sent
        if sent < count:
            # The file is shorter than its archive: cut the body short, as a service would.
            close(self._request)
            raise ConnectionResetError(f"{self._selection.file.name} ends early")

    async def _wrong_byte(self, writer: AbstractStreamWriter) -> None:
        self._file.seek(self._selection.base + self._selection.first + self._sent)
        right = self._file.read(1)
        if right:
            await writer.write(bytes([right[0] ^ 0xFF]))
            self._sent += 1

    def _note(self, count: int | None = None) -> None:
        if self._log is not None:
            self._log(self._sent if count is None else count)
            self._log = None


def close(request: web.BaseRequest) -> None:
    """Close the connection cleanly, even in the middle of an answer."""
    if request.transport is not None:
        request.transport.close()


def abort(request: web.BaseRequest) -> None:
    """Reset the connection: the client gets a TCP RST."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
