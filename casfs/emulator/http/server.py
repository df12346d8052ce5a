"""The HTTP server: reads requests, passes them to the dialect, injects faults, sends answers."""

import asyncio
import functools
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, ParamSpec, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web

from casfs.emulator.api.dialect import (
    Answer,
    Call,
    Dialect,
    ReadBody,
    ReceiveFile,
    Reply,
    SendOutput,
)
from casfs.emulator.engine.incoming import Incoming
from casfs.emulator.engine.store import Store
from casfs.emulator.http import faults, sending
from casfs.emulator.http.access_log import AccessLog
from casfs.emulator.http.host_header import HostHeaderProtocol
from casfs.emulator.settings import Settings
from casfs.treehash import LEAF_SIZE

_log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 0.05
"""How long answers in flight may take after a signal to stop."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Server:
    """Serves one dialect over one store.

    Args:
        dialect: the wire form.
        store: the state; used in a thread of its own, so that no query blocks the event loop.
        settings: faults, latency, rate.
        log: the access log.
    """

    def __init__(self, dialect: Dialect, store: Store, settings: Settings, log: AccessLog) -> None:
        self._dialect = dialect
        self._store = store
        self._settings = settings
        self._access_log = log
        self._faults = faults.Faults(settings.faults, settings.fault_seed)
        self._store_thread = ThreadPoolExecutor(1, "store")

    async def serve(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM or SIGINT; `ready` is called with the URL once the server listens."""
        loop = asyncio.get_running_loop()
        end = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end.set)
        web_server = web.Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            read_bufsize=LEAF_SIZE,
            lingering_time=1.0,
        )
        listener = await loop.create_server(
            lambda: HostHeaderProtocol(web_server()),
            self._settings.host,
            self._settings.port,
            backlog=1024,
        )
        try:
            host, port = listener.sockets[0].getsockname()[:2]
            ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
            await end.wait()
        finally:
            listener.close()
            web_server.pre_shutdown()
            await web_server.shutdown(_SHUTDOWN_SECONDS)
            self._store_thread.shutdown()

    async def _stored(self, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        call = functools.partial(do, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._store_thread, call)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        params = parse_qsl(query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.method, path, params, headers)
        request_id = self._dialect.new_request_id()
        if self._settings.latency_ms:
            await asyncio.sleep(self._settings.latency_ms / 1000)
        drawn = self._faults.draw(
            f"{request.method} {request.raw_path} {headers.get('range', '')}",
            self._dialect.is_output(call),
        )
        if drawn and drawn[0] in faults.BEFORE:
            return await self._refuse(request, request_id, drawn[0])
        try:
            answer = await self._stored(self._dialect.answer, call)
            reply = await self._finished(request, answer)
            if isinstance(reply, SendOutput):
                with reply.selection.file.open("rb") as file:
                    return await self._send_output(request, request_id, reply, file, drawn)
        except ConnectionError:
            # The client may disconnect in the middle of its body.
            sending.close(request)
            return web.Response()
        except Exception:  # noqa: BLE001 - the client gets a 500, the log a traceback
            _log.exception("%s %s failed", request.method, path)
            reply = self._dialect.failed()
        return await self._send(request, request_id, reply, "stall" if "stall" in drawn else None)

    async def _refuse(
        self, request: web.BaseRequest, request_id: str, fault: str
    ) -> web.StreamResponse:
        reply = None
        if fault == "error-500":
            reply = self._dialect.failed()
        elif fault == "throttle":
            reply = self._dialect.throttled()
        if reply is not None:
            return await self._send(request, request_id, reply, fault)
        self._access_log.write(request, request_id, None, None, 0, fault)
        sending.abort(request)
        return web.Response()

    async def _finished(self, request: web.BaseRequest, answer: Answer) -> Reply | SendOutput:
        """Read the body of the request if the answer needs it."""
        if isinstance(answer, Reply | SendOutput):
            return answer
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        if isinstance(answer, ReadBody):
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                return self._dialect.body_too_large()
            return await self._stored(answer.finish, body)
        return await self._receive(request, answer)

    async def _receive(self, request: web.BaseRequest, answer: ReceiveFile) -> Reply:
        with Incoming(self._store.incoming, self._settings.rules.tree) as incoming:
            while True:
                try:
                    block = await request.content.readexactly(LEAF_SIZE)
                except asyncio.IncompleteReadError as end:
                    block = end.partial
                if block:
                    await asyncio.to_thread(incoming.append, block)
                if len(block) < LEAF_SIZE:
                    break
            return await self._stored(answer.finish, incoming.received())

    async def _send(
        self, request: web.BaseRequest, request_id: str, reply: Reply, fault: str | None
    ) -> web.StreamResponse:
        headers = self._headers(reply, request_id)
        response = web.Response(status=reply.status, headers=headers, body=reply.body)
        if fault != "stall":
            self._access_log.write(request, request_id, reply.status, None, len(reply.body), fault)
            return response
        writer = await response.prepare(request)
        half = len(reply.body) // 2
        self._access_log.write(request, request_id, reply.status, None, half, fault)
        if writer is not None:
            writer.send_headers()
            await writer.write(reply.body[:half])
        await asyncio.sleep(self._settings.stall_seconds)
        sending.abort(request)
        return response

    async def _send_output(
        self,
        request: web.BaseRequest,
        request_id: str,
        output: SendOutput,
        file: BinaryIO,
        drawn: tuple[str, ...],
    ) -> web.StreamResponse:
        selection, fault = faults.spoil(output.selection, drawn)
        head = self._dialect.output_head(selection)
        content_range = head.headers.get("Content-Range")
        response = web.StreamResponse(status=head.status, headers=self._headers(head, request_id))
        response.content_length = selection.length

        def log(count: int) -> None:
            self._access_log.write(request, request_id, head.status, content_range, count, fault)

        writer = await response.prepare(request)
        if writer is None:
            raise ConnectionResetError("the client disconnected")
        sender = sending.Sender(request, selection, file, self._settings.rate, log)
        try:
            await sender.send(writer, fault, self._settings.stall_seconds)
        except ConnectionError:
            # The client may disconnect at any time; the access log has the bytes sent.
            sending.close(request)
        except OSError:
            _log.exception("sending %s failed", request.path)
            sending.close(request)
        return response

    def _headers(self, reply: Reply, request_id: str) -> dict[str, str]:
        fixed = {"Server": "casfs-emulator", self._dialect.request_id_header: request_id}
        return {**reply.headers, **fixed}
