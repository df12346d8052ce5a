"""The cloud's line is as slow as the benchmark says, from the first byte of a connection on."""

import socket
import threading
import time

import pytest

from benchmarks import lines
from benchmarks.lines import Line

MIB = 1 << 20
RATE = 8 * MIB
SECONDS = 30


def answer_with(size, listener):
    """Send `size` bytes on the first connection, as fast as the kernel takes them."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(SECONDS)
        connection.sendall(bytes(size))


@pytest.mark.parametrize("size", [MIB // 4, MIB, 4 * MIB])
def test_not_even_the_first_answer_is_faster_than_the_line(size):
    with lines.listen(Line(latency=0, rate=RATE)) as listener:
        listener.settimeout(SECONDS)
        sender = threading.Thread(target=answer_with, args=(size, listener))
        sender.start()
        # Sending begins with the connection, maybe before this thread runs again.
        started = time.monotonic()
        with socket.create_connection(listener.getsockname(), SECONDS) as client:
            got = 0
            while data := client.recv(MIB):
                got += len(data)
            seconds = time.monotonic() - started
        sender.join()
    assert got == size
    assert seconds >= 0.9 * size / RATE
