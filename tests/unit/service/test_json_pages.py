"""Pages of listings: any that a service may send, none that takes the memory of the machine."""

import contextlib
import gzip
import json
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.deadline import Deadline
from casfs.errors import DeadlineError, WrongAnswerError
from casfs.service import json_pages, paging
from casfs.service.error_mapping import json_body
from casfs.service.service_tuning import TUNING, ServiceTuning
from tests.support.server import Answer, Behaviour, in_turn, serving
from tests.support.service import service_at, transport_to

MIB = 1 << 20


def listing(*answers, deadline=60.0):
    """The names of the jobs of these pages; a page that is wrong is asked for once."""
    with serving(in_turn(*answers)) as server, service_at(server.url, attempts=1) as service:
        return [job.id for job in service.jobs("v", Deadline(deadline))]


def page(names, marker=None, **more):
    jobs = [{"JobId": name, "StatusCode": "Succeeded", **more} for name in names]
    return json.dumps({"JobList": jobs, "Marker": marker}).encode()


def encoded(body: bytes, encoding: str) -> Answer:
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "gzip": gzip.compress(body),
        "x-gzip": gzip.compress(body[:9]) + gzip.compress(body[9:]),
        "GZIP": gzip.compress(body),
        "deflate": zlib.compress(body),
        "identity": body,
        "Deflate": raw.compress(body) + raw.flush(),
    }
    return Answer(body=bodies[encoding], headers={"Content-Encoding": encoding})


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate", "Deflate", "identity"])
@pytest.mark.parametrize("count", [1, 3000])
def test_a_page_may_be_encoded_though_nobody_asked_for_it(encoding, count):
    names = [f"j{n}" for n in range(count)]
    # Some of it cannot be compressed, so that it comes in several pieces.
    body = page(names, noise="".join(chr(33 + n * n % 90) for n in range(99)))
    assert listing(encoded(body, encoding)) == names


BAD = {
    "unknown": Answer(body=page(["a"]), headers={"Content-Encoding": "br"}),
    "two": Answer(body=gzip.compress(page(["a"])), headers={"Content-Encoding": "gzip, gzip"}),
    "not gzip": Answer(body=page(["a"]), headers={"Content-Encoding": "gzip"}),
    "not deflate": Answer(body=page(["a"]), headers={"Content-Encoding": "deflate"}),
    "cut": Answer(body=gzip.compress(page(["a"]))[:-1], headers={"Content-Encoding": "gzip"}),
    "spoilt": Answer(
        body=gzip.compress(page(["a"]))[:-8] + bytes(8), headers={"Content-Encoding": "gzip"}
    ),
    "rubbish behind it": Answer(
        body=gzip.compress(page(["a"])) + b"x", headers={"Content-Encoding": "gzip"}
    ),
    "nothing": Answer(headers={"Content-Encoding": "gzip"}),
    "jobs for vaults": Answer(body=b'{"VaultList": [{"VaultName": "a"}]}'),
    "no list": Answer(body=b'{"JobList": {}}'),
    "nameless entries only": Answer(body=b'{"JobList": [{"jobid": "a"}, 5]}'),
    "a marker without end": Answer(body=page(["a"], "m" * 5000)),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
def test_a_page_that_cannot_be_understood_is_a_wrong_answer(answer):
    with pytest.raises(WrongAnswerError):
        listing(answer)


def bomb(beginning: bytes, middle: bytes, size: int) -> bytes:
    """A JSON text of that many bytes, as gzip."""
    squeezed = zlib.compressobj(wbits=31)
    out = squeezed.compress(beginning)
    piece = middle * (MIB // len(middle))
    return out + b"".join(squeezed.compress(piece) for _ in range(size // MIB)) + squeezed.flush()


def test_a_page_of_gzip_that_expands_a_thousandfold_is_refused_in_little_memory():
    body = bomb(b'{"JobList": [', b'{"JobId":"a"},', 300 * MIB)
    answer = Answer(body=body, headers={"Content-Encoding": "gzip"})
    assert len(body) < 2 * MIB
    tracemalloc.start()
    try:
        with pytest.raises(WrongAnswerError, match="more than 65536 KiB"):
            listing(answer)
        assert tracemalloc.get_traced_memory()[1] < 140 * MIB
    finally:
        tracemalloc.stop()


def endless_json(request, wire):
    wire.send(Answer(headers={"Content-Length": str(1 << 40)}).head + b'{"JobList": [')
    while True:
        wire.send(b'{"JobId": "a"},' * 4096)


def test_a_page_without_end_is_refused():
    with pytest.raises(WrongAnswerError, match="more than"):
        listing(endless_json)


def test_a_description_without_end_is_refused():
    with (
        serving(endless_json) as server,
        transport_to(server.url, attempts=1) as transport,
        pytest.raises(WrongAnswerError, match="more than"),
    ):
        transport.get("Ask", "/x", json_body, Deadline(60))


def test_gzip_that_brings_nothing_for_ever_is_refused():
    empty = gzip.compress(b"") * 4096

    def endless(request, wire):
        headers = {"Content-Encoding": "gzip", "Content-Length": str(1 << 40)}
        wire.send(Answer(headers=headers).head)
        while True:
            wire.send(empty)

    with pytest.raises(WrongAnswerError, match="after its end"):
        listing(endless)


def test_a_page_of_ten_thousand_jobs_comes_in_little_memory():
    """A service that does not page sends all at once."""
    names = [f"{n:0>92}" for n in range(10_000)]
    body = page(names, JobDescription="d\u00fcr\U0001f600" * 40, ArchiveSHA256TreeHash="ab" * 32)
    assert len(body) > 6 * MIB
    with serving(in_turn(Answer(body=body))) as server, service_at(server.url) as service:
        tracemalloc.start()
        try:
            count = sum(1 for _ in service.jobs("v", Deadline(60)))
            assert tracemalloc.get_traced_memory()[1] < 2 * len(body)
        finally:
            tracemalloc.stop()
    assert count == len(names)


MANY = 170_000
HOSTILE = {
    "lists in lists": b"[" * 3 * MIB,
    "objects in objects": b'{"JobList":[' + b'{"a":' * 4 * MANY,
    "one entry without end": b'{"JobList":["' + b"x" * 3 * MIB + b'"]}',
    "one number without end": b'{"JobList":[' + b"1" * 3 * MIB + b"]}",
    "one key without end": b'{"' + b"x" * 3 * MIB + b'":1}',
    "blanks without end": b'{"JobList":' + b" " * 3 * MIB,
    "no UTF-8": b'{"JobList":[' + b'{"JobId":"\xff"},' * MANY,
    "no commas": b'{"JobList":[' + b'{"JobId":"a"} ' * MANY + b"]}",
    "cut": b'{"JobList":[' + b'{"JobId":"a"},' * MANY,
    "cut behind the list": b'{"JobList":[' + b'{"JobId":"a"},' * MANY + b"1]",
    "something behind it": b'{"JobList":[' + b'{"JobId":"a"},' * MANY + b"1]}}",
    "too many entries": b'{"JobList":[' + b"0," * 8 * MANY + b"0]}",
    "no list": b'{"JobLists":[' + b'{"JobId":"a"},' * MANY + b"1]}",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_large_body_that_is_no_page_is_a_wrong_answer(body, monkeypatch):
    monkeypatch.setattr(json_pages, "TUNING", ServiceTuning(most_entries=400_000))
    assert TUNING.description_limit < len(body) < TUNING.page_limit
    with (
        serving(in_turn(Answer(body=body))) as server,
        service_at(server.url, attempts=1) as service,
        pytest.raises(WrongAnswerError),
    ):
        list(service.jobs("v", Deadline(60)))


# Read at once, an integer of more than 64 bits is a float; no size or marker is one.
INTEGERS = st.integers(-(1 << 63), (1 << 64) - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(
    st.dictionaries(st.sampled_from(["JobList", "Marker", "a"]), JSON),
    st.lists(JSON),
    st.sampled_from([None, 0, 1, 3]),
    st.integers(1, 40),
    st.booleans(),
)
def test_a_page_means_the_same_however_it_is_read(facts, items, indent, window, ascii_only):
    text = json.dumps(facts | {"JobList": items}, indent=indent, ensure_ascii=ascii_only)
    body = bytearray(text.encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_pages, "TUNING", ServiceTuning(window=window))
        try:
            expected = json_pages._parsed(body, "JobList")
        except ValueError:
            with pytest.raises(ValueError, match=r"."):
                json_pages._scanned(body, "JobList")
        else:
            found = json_pages._scanned(body, "JobList")
            assert list(found.items) == list(found.items) == expected.items
            assert found.marker == expected.marker


@given(st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_are_a_page_or_none(text, window):
    body = bytearray(b'{"JobList":[' + text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_pages, "TUNING", ServiceTuning(window=window))
        for read in (json_pages._parsed, json_pages._scanned):
            with contextlib.suppress(ValueError, RecursionError):
                read(body, "JobList")


def numbered(names_per_page: int, **more: object) -> Behaviour:
    """A listing without end, whose every page is new."""

    def behave(request, wire):
        number = int(request.query.get("marker", "0"))
        names = [f"{number}-{n}" for n in range(names_per_page)]
        return Answer(body=page(names, str(number + 1), **more))

    return behave


def test_a_listing_without_end_is_an_error(monkeypatch):
    monkeypatch.setattr(paging, "TUNING", ServiceTuning(most_entries=5000))
    with pytest.raises(WrongAnswerError, match="no end"):
        listing(numbered(1000))


def test_a_listing_of_too_many_bytes_is_an_error(monkeypatch):
    monkeypatch.setattr(paging, "TUNING", ServiceTuning(most_bytes=4 * MIB))
    with pytest.raises(WrongAnswerError, match="no end"):
        listing(numbered(10, JobDescription="x" * 100_000))


def test_a_listing_without_end_has_one_deadline_in_all(monkeypatch):
    monkeypatch.setattr(paging, "TUNING", ServiceTuning(most_entries=10**9))
    with pytest.raises(DeadlineError):
        listing(numbered(1), deadline=0.3)


def test_a_listing_that_makes_progress_has_no_deadline_as_a_whole():
    def slow(request, wire):
        time.sleep(0.12)
        number = int(request.query.get("marker", "0"))
        names = [f"{number}-{n}" for n in range(1000)]
        return Answer(body=page(names, str(number + 1) if number < 24 else None))

    # 25 pages take longer than five deadlines.
    assert len(listing(slow, deadline=0.5)) == 25_000
