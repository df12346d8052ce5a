"""Lines that break every answer, or some: what came is kept, and reading ends well."""

import contextlib
import random
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from casfs import deadline
from casfs.errors import DeadlineError
from casfs.service.cas import cas
from casfs.service.glacier import glacier
from casfs.service.oas import oas
from casfs.treehash import MD5, SHA256
from tests.support.archive import (
    MIB,
    Archive,
    once,
    output_of_bytes,
    random_bytes,
    root,
    with_headers,
)
from tests.support.blocks import bringing
from tests.support.server import Answer, serving
from tests.support.service import KEY, html, refusal

DATA = random_bytes(12 * MIB + 345)
DIALECTS = {
    "cas": (cas, SHA256),
    "glacier": (glacier, SHA256),
    "oas": (oas, MD5),
}


def closed(wire):
    """The connection is closed after what was sent."""


def reset(wire):
    wire.reset()


def silent(wire):
    wire.hang()


def breaking(cut, how=closed):
    """Break answers off after so many bytes, or after as many as the request tells."""

    def spoil(request, answer):
        bytes_ = cut(request) if callable(cut) else cut
        if bytes_ is None or bytes_ >= len(answer.body):
            return answer

        def behave(request, wire):
            wire.send(answer.head + answer.body[:bytes_])
            how(wire)

        return behave

    return spoil


@contextlib.contextmanager
def reading(tmp_path, spoil, name="cas", data=DATA, **settings):
    """A reader of an output of a dialect, and the server."""
    make, tree_hash = DIALECTS[name]
    # The vault is addressed by its name, so that no listing is needed.
    dialect = replace(make("-", KEY, "us-east-1"), vault_key="VaultName")
    archive = Archive(data, spoil=spoil, tree_hash=tree_hash, hash_header=dialect.tree_hash_header)
    output = output_of_bytes(data, root(data, tree_hash))
    with (
        serving(archive) as server,
        bringing(server.url, tmp_path, dialect=dialect, **{"attempts": None, **settings}) as parts,
    ):
        yield parts.reader(output), server, parts


def read_all(reader):
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, reader.size, MIB))


def asked_twice(server, cut):
    """Bytes that were sent more than once, where answers ended after `cut` bytes."""
    sent = [(first, min(stop, first + cut)) for first, stop in server.spans()]
    return sum(stop - first for first, stop in sent) - len(DATA)


@pytest.mark.parametrize("connections", [1, 8])
@pytest.mark.parametrize("how", [closed, reset])
@pytest.mark.parametrize("cut", [30_000, 300_000, 1_100_000, 2_000_000, 5_000_000])
@pytest.mark.parametrize("name", ["cas", "glacier"])
def test_what_breaks_always_at_the_same_place_is_read_and_nothing_comes_twice(
    tmp_path, name, cut, how, connections
):
    with reading(tmp_path, breaking(cut, how), name, connections=connections) as (
        reader,
        server,
        parts,
    ):
        assert read_all(reader) == DATA
        assert parts.count("unchecked_blocks") == 0
        # A reset overtakes bytes that were sent before it.
        assert how is reset or asked_twice(server, cut) == 0


@pytest.mark.parametrize("cut", [1, 1000, 5000])
def test_what_breaks_after_a_few_bytes_is_read_too_and_nothing_comes_twice(tmp_path, cut):
    data = DATA[: 100 * cut]
    with reading(tmp_path, breaking(cut), data=data) as (reader, server, _):
        assert bytes(reader.pread(len(data), 0)) == data
        assert len(server.spans()) == 100


@pytest.mark.parametrize("how", [closed, reset])
@pytest.mark.parametrize("cut", [1_100_000, 2_000_000, 5_000_000])
def test_oas_is_asked_for_whole_blocks_only(tmp_path, cut, how):
    with reading(tmp_path, breaking(cut, how), "oas") as (reader, server, _):
        assert read_all(reader) == DATA
        assert all(first % MIB == 0 for first, _ in server.spans())


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_some_answers_break_off_anywhere(tmp_path, share, name):
    chance = random.Random(7)

    def cut(request):
        first, stop = request.span or (0, 1)
        return chance.randrange(stop - first) if chance.random() < share else None

    with reading(tmp_path, breaking(cut), name, connections=8) as (reader, _, parts):
        assert read_all(reader) == DATA
        assert parts.count("unchecked_blocks") == 0


@pytest.mark.parametrize("cut", [300_000, 1_100_000])
def test_what_falls_silent_is_gone_on_with_before_the_deadline(tmp_path, cut):
    data = DATA[: 2 * MIB]
    spoil = breaking(cut, silent)
    with reading(tmp_path, spoil, data=data, deadline=3, read_timeout=0.3) as (reader, _, _):
        assert read_all(reader) == data


def page_in_pieces(wire):
    wire.send(b"HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\nContent-Length: 8000\r\n\r\n")
    wire.trickle(bytes(8), 0.05)
    wire.send(bytes(7992))


def endless_headers(wire):
    wire.trickle(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.001)


@pytest.mark.parametrize("instead", [page_in_pieces, endless_headers])
def test_bytes_that_are_none_of_the_output_are_no_progress(tmp_path, instead):
    """Else whoever waits would wait for as long as they come."""

    def spoil(request, answer):
        return lambda request, wire: instead(wire)

    with (
        reading(tmp_path, spoil, deadline=1.5, data=DATA[:MIB]) as (reader, _, _),
        pytest.raises(DeadlineError),
    ):
        reader.pread(1, 0)


def aligned_down(request, data):
    first, stop = request.span[0] // MIB * MIB, request.span[1]
    return Answer(206, data[first:stop], {"Content-Range": f"bytes {first}-{stop - 1}/{len(data)}"})


def all_of_it(request, data):
    return Answer(200, data, {})


def a_proxys_refusal(request, data):
    return Answer(416, b"<html>no</html>", {"Content-Type": "text/html"})


@pytest.mark.parametrize("instead", [aligned_down, all_of_it, a_proxys_refusal])
def test_where_no_range_inside_a_block_is_given_the_block_is_asked_for_as_a_whole(
    tmp_path, instead
):
    def spoil(request, answer):
        if request.span[0] % MIB:
            return instead(request, DATA)
        return once_broken(request, answer)

    once_broken = once(breaking(600_000))
    with reading(tmp_path, spoil, deadline=10) as (reader, server, parts):
        assert bytes(reader.pread(1000, 3 * MIB)) == DATA[3 * MIB : 3 * MIB + 1000]
        assert len(server.spans()) <= 4
        assert parts.count("received_bytes") <= 3 * MIB


def fails(wire):
    wire.send(html(503).head + html(503).body)


REFUSALS = {
    "400": (html(400), 1),
    "403": (html(403), 1),
    "404": (html(404), 1),
    "416": (html(416), 1),
    "501": (html(501), 1),
    "500": (html(500), 3),
    "503": (html(503), 3),
    "closed": (lambda request, wire: None, 3),
    "reset": (lambda request, wire: wire.reset(), 3),
}


@pytest.mark.parametrize("attempts", [None, 2])
@pytest.mark.parametrize(("refuse", "times"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_range_inside_a_block_may_be_refused_in_any_form(tmp_path, refuse, times, attempts):
    """The block as a whole is asked for instead; nobody waits for the deadline."""

    def spoil(request, answer):
        return refuse if request.span[0] % MIB else once_broken(request, answer)

    once_broken = once(breaking(600_000))
    with reading(tmp_path, spoil, data=DATA[: 2 * MIB], attempts=attempts) as (reader, server, _):
        assert read_all(reader) == DATA[: 2 * MIB]
        inside = [first for first, _ in server.spans() if first % MIB]
        assert set(inside) == {600_000}
        # A few failures may be those of a server that restarts, where there may be more attempts.
        fewest = min(times, attempts or times)
        assert len(inside) == fewest or (times > 1 and attempts is None and len(inside) > fewest)


@pytest.mark.parametrize("how", [closed, reset, fails])
def test_a_line_that_breaks_twice_before_the_first_byte_loses_no_part(tmp_path, how):
    def spoil(request, answer):
        if request.span[0] % MIB:
            return twice_without(request, answer)
        return once_broken(request, answer)

    once_broken = once(breaking(600_000))
    twice_without = once(lambda request, answer: lambda request, wire: how(wire), 2)
    with reading(tmp_path, spoil, data=DATA[:MIB]) as (reader, server, _):
        assert read_all(reader) == DATA[:MIB]
        assert server.spans() == [(0, MIB)] + [(600_000, MIB)] * 3


def test_a_line_that_breaks_inside_every_block_of_oas_fails_when_nothing_comes_any_more(
    tmp_path, monkeypatch
):
    """No answer brings more than the one before it did, and nothing of it can be kept."""
    now = [time.monotonic()]
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: now[0]))
    broken = breaking(300_000)

    def spoil(request, answer):
        now[0] += 10
        return broken(request, answer)

    with (
        reading(tmp_path, spoil, "oas", deadline=40) as (reader, server, _),
        pytest.raises(DeadlineError, match="bytes early"),
    ):
        reader.pread(1, 0)
    assert 2 < len(server.requests) < 8


def test_ranges_inside_a_block_may_be_refused(tmp_path):
    def spoil(request, answer):
        if request.span[0] % MIB:
            return refusal(400, "InvalidParameterValueException")
        return breaking(2_000_000)(request, answer)

    with reading(tmp_path, spoil) as (reader, _, _):
        assert read_all(reader) == DATA


def test_ranges_are_large_again_when_the_line_is_well(tmp_path):
    broken = True

    def cut(request):
        return 600_000 if broken else None

    data = random_bytes(64 * MIB, seed=2)
    with reading(tmp_path, breaking(cut), data=data, memory=16 * MIB) as (reader, server, _):
        assert bytes(reader.pread(MIB, 0)) == data[:MIB]
        broken = False
        for at in range(MIB, len(data), MIB):
            assert bytes(reader.pread(MIB, at)) == data[at : at + MIB]
        assert max(stop - first for first, stop in server.spans()[-12:]) >= 4 * MIB


def test_without_hashes_what_was_put_together_is_marked(tmp_path):
    def spoil(request, answer):
        assert isinstance(answer, Answer)
        return breaking(700_000)(request, with_headers(answer, ETag='"one"'))

    with reading(tmp_path, spoil) as (reader, server, parts):
        server.behaviour.hashes = False
        assert bytes(reader.pread(MIB, 3 * MIB)) == DATA[3 * MIB : 4 * MIB]
        assert parts.count("unchecked_blocks") >= 1
