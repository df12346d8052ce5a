"""A real HTTP server on 127.0.0.1 that does what a test tells it to, however wrong that is."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request; header names in lower case, connections numbered from 0."""

    connection: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def span(self) -> tuple[int, int] | None:
        """First byte of the range, and the byte behind its last one."""
        text = self.headers.get("range", "")
        if not text:
            return None
        first, _, last = text.removeprefix("bytes=").partition("-")
        return int(first), int(last) + 1


@dataclass(frozen=True)
class Answer:
    """An answer; Content-Length is the body's unless `headers` name it, None leaves it out."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def head(self) -> bytes:
        headers = {"Content-Length": str(len(self.body)), **self.headers}
        if headers["Content-Length"] is None:
            headers["Connection"] = "close"
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join([f"HTTP/1.1 {self.status} Said", *lines, "", ""]).encode("latin-1")


class Wire:
    """The connection under an answer, for what an `Answer` cannot do."""

    def __init__(self, sock: socket.socket, stopped: threading.Event) -> None:
        self._sock = sock
        self._stopped = stopped

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def trickle(self, data: bytes, pause: float) -> None:
        """Send byte by byte until the peer has had enough."""
        for byte in data:
            self.send(bytes([byte]))
            if self._stopped.wait(pause):
                return

    @contextmanager
    def encrypted(self, tls: SSLContext) -> Iterator["Wire"]:
        """Speak TLS from here on, as a server behind a proxy does."""
        with tls.wrap_socket(self._sock, server_side=True) as sock:
            yield Wire(sock, self._stopped)

    def hang(self) -> None:
        """Say nothing until the peer goes away."""
        while self._sock.recv(4096):
            pass

    def reset(self) -> None:
        """Break the connection so that the peer gets an RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


Behaviour = Callable[[Request, Wire], Answer | None]
"""Returns the answer, or None when it has dealt with the wire itself; that is then closed."""


class Server:
    """Serves a behaviour, and remembers what it was asked."""

    def __init__(self, behaviour: Behaviour, tls: SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.requests: list[Request] = []
        self.connections = 0
        self._tls = tls
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def spans(self) -> list[tuple[int, int] | None]:
        """The ranges of the outputs that were asked for."""
        return [request.span for request in self.requests if request.path.endswith("/output")]

    def stop(self) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        with self._lock:
            for sock in self._sockets:
                with suppress(OSError):
                    # Of a TLS socket too: the thread that uses it closes the session.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.add(sock)
            number, self.connections = self.connections, self.connections + 1
            thread = threading.Thread(target=self._serve, args=(sock, number))
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket, number: int) -> None:
        sock = raw
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(raw, server_side=True)
                with self._lock:
                    self._sockets.discard(raw)
                    self._sockets.add(sock)
            with sock.makefile("rb") as lines:
                while not self._stopped.is_set():
                    request = _read_request(lines, number)
                    if request is None:
                        return
                    with self._lock:
                        self.requests.append(request)
                    answer = self.behaviour(request, Wire(sock, self._stopped))
                    if answer is None:
                        return
                    sock.sendall(answer.head + answer.body)
                    if answer.headers.get("Content-Length", "") is None:
                        return
        except OSError:
            pass  # the peer has had enough
        finally:
            with self._lock:
                self._sockets.discard(raw)
                self._sockets.discard(sock)
            sock.close()
            raw.close()


def _read_request(lines, number: int) -> Request | None:
    first = lines.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = {}
    while (line := lines.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    url = urlsplit(first[1])
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    body = lines.read(int(headers.get("content-length", "0")))
    return Request(number, first[0], unquote(url.path), query, headers, body)


@contextmanager
def serving(behaviour: Behaviour, tls: SSLContext | None = None) -> Iterator[Server]:
    server = Server(behaviour, tls)
    try:
        yield server
    finally:
        server.stop()


def in_turn(*answers: Answer | Behaviour) -> Behaviour:
    """A behaviour that gives these answers one after the other, then the last one for ever."""
    left = list(answers)
    lock = threading.Lock()

    def behave(request: Request, wire: Wire) -> Answer | None:
        with lock:
            answer = left.pop(0) if len(left) > 1 else left[0]
        return answer if isinstance(answer, Answer) else answer(request, wire)

    return behave
