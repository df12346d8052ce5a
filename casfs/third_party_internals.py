"""The private and undocumented attributes of libraries that casfs uses, all of them in one place.

A new version of a library may drop one. `INTERNALS` lists them, and a test checks each against the
installed version, so that an upgrade fails there and not in a mount.
"""

import fcntl
import sys
import termios
from collections.abc import Callable, Mapping
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    import requests
    from urllib3 import PoolManager

Receive = Callable[[memoryview, int], int]

INTERNALS: Mapping[str, str] = {
    "urllib3.response:HTTPResponse._original_response": "to receive into our own memory",
    "urllib3.poolmanager:PoolManager.pool_classes_by_scheme": "to watch the sockets of connections",
    "urllib3.connectionpool:HTTPConnectionPool.ConnectionCls": "the same",
    "urllib3.connectionpool:HTTPSConnectionPool.ConnectionCls": "the same",
    "urllib3.connection:HTTPConnection._new_conn": "to watch sockets while a proxy connects",
    "urllib3.connection:HTTPConnection.sock": "to watch sockets while an answer is awaited",
    "http.client:HTTPResponse.fp.raw._sock": "to count what arrived when a connection breaks",
    "fuse:_libfuse": "to find the session of a mount, and to see interrupted requests",
    "mfusepy:_libfuse": "the same",
    "mfusepy:FUSE.fgetattr": "overridden for speed",
    "mfusepy:FUSE.getxattr": "overridden for speed",
    "mfusepy:FUSE.readdir_fuse_3": "overridden to list attributes along with names",
    "mfusepy:c_stat": "to fill in attributes",
}
"""What we use, as MODULE:ATTRIBUTE, and why."""


def original_response(answer: "requests.Response") -> object:
    """Return the standard library's response below those of urllib3 and requests."""
    found: object = answer.raw._original_response
    return found


def intercept_receive(
    source: HTTPResponse, wrap: Callable[[Receive], Callable[[memoryview], int]]
) -> None:
    """Replace the function with which a response reads from its socket.

    Args:
        source: the response; its body has not ended.
        wrap: gets the socket's `recv_into`, which is given memory and its size, and returns the
            replacement.
    """
    raw: Any = source.fp.raw
    raw.readinto = wrap(raw._sock.recv_into)


def unread_bytes(source: HTTPResponse) -> int:
    """Return how many bytes came over the connection of a response that nobody has read yet.

    They wait in the kernel; over TLS they are encrypted. None do where the body has ended, or it is
    not known.
    """
    raw: Any = source.fp and source.fp.raw
    try:
        found = fcntl.ioctl(raw._sock.fileno(), termios.FIONREAD, bytes(4))
    except (AttributeError, OSError, ValueError):
        # A connection that was closed in the meantime; TLS in TLS may have no file of its own.
        return 0
    return int.from_bytes(found, sys.byteorder)


def watch_connections(
    manager: "PoolManager",
    watch: Callable[["socket.socket"], None],
    connected: Callable[[], None],
) -> None:
    """Have `watch` called with the socket of each connection that a request waits for.

    Args:
        manager: the pools; none of them has been used.
        watch: called in the thread of the request, before it waits.
        connected: called in the same thread when a connection is complete, with TLS and the
            proxy's tunnel, and before anything of a request is sent over it.
    """
    # The pools of a SOCKS proxy have classes of their own.
    manager.pool_classes_by_scheme = {
        scheme: _watched(pool, watch, connected)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _watched(
    pool: Any, watch: Callable[["socket.socket"], None], connected: Callable[[], None]
) -> Any:
    class WatchedConnection(pool.ConnectionCls):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            # A proxy may answer CONNECT as slowly as it likes.
            sock = super()._new_conn()
            watch(sock)
            return sock

        def connect(self) -> None:
            super().connect()
            connected()

        def getresponse(self) -> Any:
            watch(self.sock)
            return super().getresponse()

    class WatchedPool(pool):  # type: ignore[misc]
        ConnectionCls = WatchedConnection

    return WatchedPool


def libfuse(binding: Any) -> Any:
    """Return the C library that a FUSE binding has loaded (`fuse` or `mfusepy`)."""
    return binding._libfuse
