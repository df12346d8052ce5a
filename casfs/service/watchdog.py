"""Ends connections whose time is over.

A timeout of a socket counts from byte to byte: an answer that trickles never trips it. The
watchdog knows the socket that each thread waits for, and shuts it down when the thread's deadline
has passed; the thread then fails as if the connection had broken.
"""

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection

from casfs.deadline import Deadline
from casfs.service.service_tuning import TUNING
from casfs.third_party_internals import watch_connections
from casfs.threads import start_thread

log = logging.getLogger(__name__)

_BYTES_RECEIVED = slice(128, 136)
_SIZE = _BYTES_RECEIVED.stop
_TCP_INFO = (socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
"""`struct tcp_info` of linux/tcp.h up to `tcpi_bytes_received`, which it has since Linux 4.1."""
_KEEPALIVE = {"SO_KEEPALIVE": 1}
_KEEPALIVE_TIMES = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 20_000,
}
"""Options of sockets and their values: probes after 30 s without a byte keep routers from
forgetting a connection; one whose peer confirms nothing for 20 s (the last value is in ms) is
broken. Not every system has them all."""


class Watchdog:
    """Shuts down sockets whose deadline has passed.

    Lock order: its one lock is innermost; a socket's `shutdown`, which never blocks, is called
    under it, so that no socket is shut down after its thread has let go of it.

    Args:
        tick: is called from time to time, and must not wait for anything.
    """

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        self._tick = tick
        self._lock = threading.Lock()
        self._sockets: dict[int, tuple[Deadline, socket.socket]] = {}
        self._current = threading.local()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def limit(self, deadline: Deadline) -> Iterator[None]:
        """Let every socket that this thread waits for inside live until `deadline` at most.

        Raises:
            ThreadError: there would be nobody to watch it.
        """
        self._start()
        self._current.deadline = deadline
        try:
            yield
        finally:
            with self._lock:
                self._sockets.pop(threading.get_ident(), None)

    def watch(self, sock: socket.socket) -> None:
        """Note that this thread now waits for `sock`."""
        with self._lock:
            self._sockets[threading.get_ident()] = (self._current.deadline, sock)
            # A request may be sent at the very moment at which the client is closed.
            if self._closed.is_set():
                _end(sock)

    def received(self, thread: int) -> int | None:
        """Return the bytes that came over the connection that a thread waits for.

        Args:
            thread: its identity.

        Returns:
            None if it has no connection; -1 if it is not known.
        """
        with self._lock:
            _, sock = self._sockets.get(thread, (None, None))
            if sock is None:
                return None
            try:
                info = socket.socket.getsockopt(sock, *_TCP_INFO)
            except (OSError, TypeError):
                # TLS through a proxy that is spoken to with TLS is not a socket.
                return -1
        return int.from_bytes(info[_BYTES_RECEIVED], sys.byteorder) if len(info) == _SIZE else -1

    def cut(self, thread: int) -> None:
        """Shut down the socket that a thread, named by its identity, waits for, if there is one."""
        with self._lock:
            if thread in self._sockets:
                _end(self._sockets[thread][1])

    def close(self) -> None:
        """Shut down every socket and stop watching."""
        self._closed.set()
        self._shutdown(everything=True)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = start_thread("watchdog", self._run)

    def _run(self) -> None:
        while not self._closed.wait(TUNING.watchdog_tick):
            self._shutdown()
            self._tick()

    def _shutdown(self, everything: bool = False) -> None:
        with self._lock:
            for deadline, sock in self._sockets.values():
                if everything or deadline.passed():
                    _end(sock)


def _end(sock: socket.socket) -> None:
    # Not sock.shutdown: that of a TLS socket takes the session away from the thread that reads
    # it. An error means that the peer was faster.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class _FoundPool:
    """The connections to an endpoint, without a proxy.

    Attributes:
        root: what all URLs there begin with.
        way: by which proxies, and whose certificates are trusted.
        pool: the connections.
    """

    root: str
    way: tuple[object, ...]
    pool: Any


class WatchedAdapter(HTTPAdapter):
    """Tells a watchdog which socket a request of `requests` waits for.

    Args:
        watchdog: ends what takes too long.
        connected: called when a connection is complete, before anything is sent over it.
    """

    def __init__(self, watchdog: Watchdog, connected: Callable[[], None] = lambda: None) -> None:
        self._watchdog = watchdog
        self._connected = connected
        self._found: _FoundPool | None = None
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of urllib3 use connections that are watched and kept alive."""
        super().init_poolmanager(*args, socket_options=_socket_options(), **kwargs)
        self._watch(self.poolmanager)

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> Any:
        """Return the connections to the endpoint of a request, found once for all that follow."""
        way = (verify, proxies, cert)
        found, url = self._found, request.url or ""
        if found is not None and found.way == way and url.startswith(found.root):
            return found.pool
        self._found = None
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        self.cert_verify(pool, url, verify, cert)
        if not select_proxy(url, proxies):
            parts = urlsplit(url)
            self._found = _FoundPool(f"{parts.scheme}://{parts.netloc}/", way, pool)
        return pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Set how the endpoint's certificate is checked, once."""
        if self._found is None or self._found.pool is not conn:
            HTTPAdapter.cert_verify(self, conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Return what the first line of a request names."""
        if self._found is None:
            return str(super().request_url(request, proxies))
        # Several "/" at the beginning would be the name of a host (as requests has it).
        return "/" + str(request.path_url).lstrip("/")

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools for a proxy, whose connections are watched too."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, socket_options=_socket_options(), **kwargs)
        if not known:
            self._watch(manager)
        return manager

    def _watch(self, manager: PoolManager) -> None:
        watch_connections(manager, self._watchdog.watch, self._connected)


def _socket_options() -> list[tuple[int, int, int]]:
    options = [*HTTPConnection.default_socket_options]
    for level, values in (
        (socket.SOL_SOCKET, _KEEPALIVE),
        (socket.IPPROTO_TCP, _KEEPALIVE_TIMES),
    ):
        options += [
            (level, getattr(socket, name), value)
            for name, value in values.items()
            if hasattr(socket, name)
        ]
    return options
