"""The lines to the origin: as fast as loopback goes, or shaped as the network of a cloud is.

The kernel paces each connection to the cloud, from the first packet on. A web server's own limit
does not: it sends about a second's worth of each answer at once.
"""

import socket
from dataclasses import dataclass

_SO_MAX_PACING_RATE = 47
"""From Linux's asm-generic/socket.h; Python's socket module has no name for it."""

_MSS = 1460
"""Bytes of a packet, as on Ethernet. The kernel does not pace the first ten packets of a
connection, which on loopback are of 64 KiB each."""

_CONGESTION_CONTROL = b"reno"
"""BBR, the default of some machines, sends more slowly at times to measure the line."""

_BACKLOG = 511


@dataclass(frozen=True)
class Line:
    """What a client meets on its way to the origin.

    Attributes:
        latency: seconds to the first byte of each answer.
        rate: bytes per second of each connection; 0 for as many as there can be.
    """

    latency: float
    rate: int


FAST = Line(latency=0.0, rate=0)
CLOUD = Line(latency=0.040, rate=25 << 20)
SLOW = Line(latency=0.200, rate=64 << 10)
CRAWL = Line(latency=0.200, rate=8 << 10)


def listen(line: Line) -> socket.socket:
    """Return a listening socket on a free port of 127.0.0.1.

    Accepted connections inherit its options, whichever process accepts them.
    """
    listener = socket.socket()
    if line.rate:
        listener.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, line.rate)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _MSS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, _CONGESTION_CONTROL)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener
