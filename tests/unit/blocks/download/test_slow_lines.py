"""Lines whose connections are slow: what makes progress is no time-out, and GETs become small."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets import lag
from casfs.errors import CasfsError, DeadlineError
from casfs.service.cas import cas
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, renamed, root
from tests.support.blocks import bringing
from tests.support.pools import threads_of
from tests.support.server import serving
from tests.support.service import KEY

DATA = random_bytes(8 * MIB + 100)
PIECE = 16 << 10


class Paced:
    """Sends bodies at so many bytes a second over each connection, now."""

    def __init__(self, rate):
        self.rate = rate
        self.sent = threading.Event()

    def __call__(self, request, answer):
        def behave(request, wire):
            wire.send(answer.head)
            for at in range(0, len(answer.body), PIECE):
                wire.send(answer.body[at : at + PIECE])
                self.sent.set()
                time.sleep(PIECE / self.rate)

        return behave


@contextlib.contextmanager
def reading(tmp_path, spoil, data=DATA, **settings):
    archive = Archive(data, spoil=spoil)
    output = output_of_bytes(data, root(data))
    with (
        serving(archive) as server,
        bringing(server.url, tmp_path, **{"attempts": None, **settings}) as parts,
    ):
        yield parts.reader(output), server, parts


def sizes(server):
    return [stop - first for first, stop in server.spans()]


def test_a_block_that_takes_longer_than_the_deadline_comes_while_its_bytes_do(tmp_path):
    data = DATA[:MIB]
    with reading(tmp_path, Paced(MIB / 4), data, deadline=1.5) as (reader, server, _):
        started = time.monotonic()
        assert bytes(reader.pread(MIB, 0)) == data
        assert time.monotonic() - started > 2
        assert sizes(server) == [MIB]


def test_bytes_that_come_again_are_progress_where_none_can_be_kept(tmp_path):
    """The second answer takes longer than the deadline to bring more than the first one did."""
    data = DATA[:MIB]
    tries = iter([900_000])

    def spoil(request, answer):
        def behave(request, wire):
            paced(request, answer)(request, Ending(wire, len(answer.head) + next(tries, 2 * MIB)))

        return behave

    paced, dialect = Paced(MIB / 2), replace(cas("-", KEY, ""), any_range=False)
    with reading(tmp_path, spoil, data, deadline=1.2, dialect=dialect) as (reader, server, _):
        assert bytes(reader.pread(MIB, 0)) == data
        assert sizes(server) == [MIB, MIB]


class Ending:
    """A connection that closes after so many bytes."""

    def __init__(self, wire, left):
        self.wire, self.left = wire, left

    def send(self, data):
        self.wire.send(data[: self.left])
        self.left -= len(data)
        if self.left < 0:
            raise ConnectionResetError


def test_what_only_trickles_fails_in_time(tmp_path):
    def trickle(request, answer):
        return lambda request, wire: wire.trickle(answer.head + answer.body, 0.05)

    with reading(tmp_path, trickle, deadline=1) as (reader, _, _), pytest.raises(DeadlineError):
        reader.pread(1, 0)


def test_gets_are_small_until_the_line_was_seen_to_be_fast(tmp_path):
    with reading(tmp_path, Paced(MIB), deadline=4, connections=8) as (reader, server, _):
        with ThreadPoolExecutor(8) as pool:
            parts = list(pool.map(lambda at: bytes(reader.pread(MIB, at)), range(0, 8 * MIB, MIB)))
        assert b"".join(parts) == DATA[: 8 * MIB]
        assert max(sizes(server)) == MIB


def test_a_change_of_rate_is_followed_both_ways(tmp_path):
    data = random_bytes(128 * MIB, seed=3)
    spoil = Paced(400 * MIB)
    with reading(tmp_path, spoil, data, deadline=4, memory=24 * MIB) as (reader, server, _):

        def read(first, stop):
            for at in range(first * MIB, stop * MIB, MIB):
                assert bytes(reader.pread(MIB, at)) == data[at : at + MIB]
            seen, server.requests[:] = sizes(server), []
            return seen

        assert max(read(0, 30)) >= 4 * MIB
        spoil.rate = 2 * MIB
        read(30, 48)
        assert max(read(48, 64)) <= 2 * MIB
        spoil.rate = 400 * MIB
        read(64, 84)
        assert max(read(84, 128)) >= 4 * MIB


@pytest.mark.parametrize("pause", [0.05, 30], ids=["a little", "nothing"])
def test_a_connection_that_lags_behind_the_others_is_given_up_for_a_new_one(
    tmp_path, monkeypatch, pause
):
    monkeypatch.setattr(lag, "TUNING", replace(TUNING, lag_seconds=0.3, get_seconds=1.0))
    data, ended = random_bytes(64 * MIB, seed=4), threading.Event()
    lagging = iter([16 * MIB + 700_000])

    def spoil(request, answer):
        first, stop = request.span
        if not first <= 16 * MIB < stop or not (until := next(lagging, 0) - first) > 0:
            return answer

        def behave(request, wire):
            wire.send(answer.head + answer.body[:until])
            with contextlib.suppress(OSError):
                for at in range(until, len(answer.body), 100):
                    if ended.wait(pause):
                        break
                    wire.send(answer.body[at : at + 100])

        return behave

    with reading(tmp_path, spoil, data, read_timeout=60, deadline=60) as (reader, server, parts):
        for at in range(0, len(data), MIB):
            assert bytes(reader.pread(MIB, at)) == data[at : at + MIB]
        ended.set()
        # What it brought is kept, and only the rest of it asked for.
        assert [first for first, _ in server.spans() if first % MIB]
        assert parts.count("received_bytes") < len(data) + 10_000
        assert parts.count("unchecked_blocks") == 0


def test_whoever_waits_for_a_turn_waits_for_as_long_as_others_get_on(tmp_path):
    """One connection, whose blocks come one after the other, each within the deadline."""
    data = DATA[:MIB]
    whole = output_of_bytes(data, root(data))
    outputs = [renamed(whole, f"j{number}", f"{number:064}") for number in range(12)]
    with (
        serving(Archive(data, spoil=Paced(2 * MIB))) as server,
        bringing(server.url, tmp_path, connections=1, deadline=1.5, attempts=None) as parts,
        ThreadPoolExecutor(12) as pool,
    ):
        readers = [parts.reader(output) for output in outputs]
        for came in list(pool.map(lambda reader: bytes(reader.pread(MIB, 0)), readers)):
            assert came == data


def test_few_connections_are_opened_for_many_outputs_on_a_slow_line(tmp_path):
    """Each seems to stall now and then, and lends its place."""
    data = DATA[: 4 * MIB]
    whole = output_of_bytes(data, root(data))
    outputs = [renamed(whole, f"j{number}", f"{number:064}") for number in range(12)]

    def read(reader):
        with contextlib.suppress(CasfsError):
            reader.pread(1, 0)

    with serving(Archive(data, spoil=Paced(PIECE))) as server, ThreadPoolExecutor(12) as pool:
        with bringing(server.url, tmp_path, connections=8, deadline=10) as parts:
            for output in outputs:
                parts.cache.prefetch(output, 4)
                pool.submit(read, parts.reader(output))
            most, end = 0, time.monotonic() + 4
            while time.monotonic() < end:
                most = max(most, threads_of(parts.cache._network))
                time.sleep(0.1)
            assert most > 12, "others get the places of those that stall"
        assert server.connections <= 12 + 2 * len(outputs)


def test_a_page_of_an_error_after_a_body_that_was_too_long_is_no_progress(tmp_path):
    """What comes after the bytes of an answer is not of the output, however much it is."""
    page, ended = b"<html>" + bytes(64 << 10), threading.Event()

    def behave(request, answer):
        def too_long(request, wire):
            wire.send(b"HTTP/1.1 206 Said\r\nTransfer-Encoding: chunked\r\n")
            wire.send(f"Content-Range: {answer.headers['Content-Range']}\r\n\r\n".encode())
            wire.send(f"{len(answer.body) + 1:x}\r\n".encode() + answer.body + b"?\r\n0\r\n\r\n")

        def error(request, wire):
            wire.send(f"HTTP/1.1 503 Said\r\nContent-Length: {len(page)}\r\n\r\n".encode())
            with contextlib.suppress(OSError):
                for at in range(0, len(page), 1024):
                    wire.send(page[at : at + 1024])
                    time.sleep(0.05)
                ended.set()

        if ended.is_set():
            return answer
        return too_long if request.connection == 0 else error

    with reading(tmp_path, behave, DATA[:MIB], deadline=1) as (reader, _, _):
        with pytest.raises(CasfsError):
            reader.pread(1, 0)
        assert not ended.is_set()
