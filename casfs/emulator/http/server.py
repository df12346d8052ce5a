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
from casfs.emulator.http.access_log import AccessLog, AskedJob
from casfs.emulator.http.host_header import HostHeaderProtocol
from casfs.emulator.http.job_rate import JobRate
from casfs.emulator.http.notifying import notify
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
        before = [fault for fault in settings.faults if fault.name not in faults.AFTER]
        after = [fault for fault in settings.faults if fault.name in faults.AFTER]
        self._faults = faults.Faults(before, settings.fault_seed)
        self._faults_after = faults.Faults(after, settings.fault_seed)
        self._job_rate = JobRate(settings.job_rate)
        self._store_thread = ThreadPoolExecutor(1, "store")
        self._answering: set[asyncio.Task[web.StreamResponse]] = set()

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
        notifying = asyncio.create_task(notify(self._notifications))
        try:
            host, port = listener.sockets[0].getsockname()[:2]
            ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
            await end.wait()
        finally:
            notifying.cancel()
            await asyncio.wait([notifying])
            listener.close()
            web_server.pre_shutdown()
            await web_server.shutdown(_SHUTDOWN_SECONDS)
            for left in self._answering:
                left.cancel()
            await asyncio.gather(*self._answering, return_exceptions=True)
            self._store_thread.shutdown()

    async def _notifications(self, since: float) -> tuple[list[tuple[str, bytes]], float]:
        return await self._stored(self._dialect.notifications, since)

    async def _stored(self, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        call = functools.partial(do, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._store_thread, call)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return await self._answer(request)
        # What was requested is done, and logged, even if the client is gone meanwhile.
        answering = asyncio.create_task(self._answer(request))
        self._answering.add(answering)
        answering.add_done_callback(self._answered)
        return await asyncio.shield(answering)

    def _answered(self, answering: "asyncio.Task[web.StreamResponse]") -> None:
        self._answering.discard(answering)
        if not answering.cancelled() and (error := answering.exception()) is not None:
            _log.info("a request whose client is gone could not be answered: %s", error)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        params = parse_qsl(query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.method, path, params, headers)
        request_id = self._dialect.new_request_id()
        is_output, is_post = self._dialect.is_output(call), self._dialect.is_job_request(call)
        name = f"{request.method} {request.raw_path} {headers.get('range', '')}"
        drawn = self._faults.draw(name, is_output, is_post)
        asked: AskedJob | None = None
        try:
            if is_post:
                # What was received as a whole is handled, even if the client is gone then.
                asked = await self._asked(request)
                name = f"{name} {asked}"
            if self._settings.latency_ms:
                await asyncio.sleep(self._settings.latency_ms / 1000)
            early = drawn[0] if drawn and drawn[0] in faults.BEFORE else None
            if early is not None or (is_post and not self._job_rate.allows()):
                return await self._refuse(request, request_id, early, asked)
            answer = await self._stored(self._dialect.answer, call)
            reply = await self._finished(request, answer)
            if asked is not None and isinstance(reply, Reply):
                asked.job = _job_id(reply)
            late = self._faults_after.draw(name, is_output, is_post)
            if late:
                return await self._refuse(request, request_id, late[0], asked)
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
        fault = "stall" if "stall" in drawn else None
        return await self._send(request, request_id, reply, fault, asked)

    async def _asked(self, request: web.BaseRequest) -> AskedJob:
        """Return the job that a request asks for; its body can be read again."""
        try:
            body = await self._body(request)
        except web.HTTPRequestEntityTooLarge:
            return AskedJob()
        return AskedJob.of(body, self._settings.rules.expedited_limit is not None)

    async def _refuse(
        self,
        request: web.BaseRequest,
        request_id: str,
        fault: str | None,
        asked: AskedJob | None,
    ) -> web.StreamResponse:
        """Answer as a fault demands; None = too many jobs were requested."""
        reply = None
        if fault in {"error-500", "error-after"}:
            reply = self._dialect.failed()
        elif fault in {"throttle", None}:
            reply = self._dialect.throttled()
        if reply is not None:
            return await self._send(request, request_id, reply, fault, asked)
        self._access_log.write(request, request_id, None, None, 0, fault, asked)
        sending.abort(request)
        return web.Response()

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Return the body of a request, which may be read more than once."""
        if not request.content.at_eof():
            await self._continue(request)
        return await request.read()

    async def _continue(self, request: web.BaseRequest) -> None:
        """Let a client send its body that waits for leave to do so."""
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0

    async def _finished(self, request: web.BaseRequest, answer: Answer) -> Reply | SendOutput:
        """Read the body of the request if the answer needs it."""
        if isinstance(answer, Reply | SendOutput):
            return answer
        if isinstance(answer, ReadBody):
            try:
                body = await self._body(request)
            except web.HTTPRequestEntityTooLarge:
                return self._dialect.body_too_large()
            return await self._stored(answer.finish, body)
        await self._continue(request)
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
        self,
        request: web.BaseRequest,
        request_id: str,
        reply: Reply,
        fault: str | None,
        asked: AskedJob | None,
    ) -> web.StreamResponse:
        headers = self._headers(reply, request_id)
        response = web.Response(status=reply.status, headers=headers, body=reply.body)
        # Nothing is sent to a client that is gone.
        status, count = (reply.status, len(reply.body)) if request.transport else (None, 0)
        if fault == "stall":
            count //= 2
        self._access_log.write(request, request_id, status, None, count, fault, asked)
        if fault != "stall":
            return response
        writer = await response.prepare(request)
        half = len(reply.body) // 2
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


def _job_id(reply: Reply) -> str | None:
    """Return the job that an answer says was started."""
    found = (value for name, value in reply.headers.items() if name.endswith("-job-id"))
    return next(found, None)
