"""The size of an output whose job does not tell it is taken from answers that are of the output."""

from dataclasses import replace

import pytest

from casfs.deadline import Deadline
from casfs.errors import UnreachableError, WrongAnswerError
from casfs.service import output_size
from casfs.service.cas import cas
from casfs.service.service_tuning import ServiceTuning
from tests.support.archive import (
    MIB,
    Archive,
    content_range,
    cut_after,
    encoded,
    lengthless,
    once,
    random_bytes,
    with_headers,
    with_status,
)
from tests.support.server import Answer, serving
from tests.support.service import KEY, service_at

DATA = random_bytes(3 * MIB + 5)
JOB = cas("-", KEY, "").job("v", {"JobId": "j"})


MEASURED = {
    "206": lambda request, answer: answer,
    "206 without a length": lengthless(lambda body: body),
    "200": lambda request, answer: Answer(200, DATA),
    "a part as 200": with_status(200),
    "200 that says which bytes": lambda request, answer: Answer(
        200, DATA, {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    ),
}


@pytest.mark.parametrize("spoil", MEASURED.values(), ids=MEASURED.keys())
def test_a_size_that_the_job_does_not_tell_is_measured(spoil):
    with serving(Archive(DATA, spoil=spoil)) as server, service_at(server.url) as service:
        for _ in range(2):
            assert service.measure(JOB, Deadline(60)) == len(DATA)
        assert service.output(JOB, len(DATA)).layout.size == len(DATA)


@pytest.mark.parametrize(
    "spoil",
    [
        content_range(f"bytes 0-{MIB - 1}/*"),
        content_range(f"bytes 0-{MIB - 1}/0"),
    ],
)
def test_a_size_that_nobody_knows_is_an_error(spoil):
    with (
        serving(Archive(DATA, spoil=spoil)) as server,
        service_at(server.url) as service,
        pytest.raises(WrongAnswerError, match="size"),
    ):
        service.measure(JOB, Deadline(60))


def test_what_ends_with_the_connection_is_no_size_if_the_job_tells_another():
    """It may have broken off."""

    def spoil(request, answer):
        return Answer(200, DATA[:-1], {"Content-Length": None})

    facts = {"JobId": "j", "Action": "InventoryRetrieval", "InventorySizeInBytes": len(DATA)}
    with (
        serving(Archive(DATA, spoil=spoil)) as server,
        service_at(server.url, attempts=2) as service,
        pytest.raises(WrongAnswerError, match="announced"),
    ):
        service.measure(cas("-", KEY, "").job("v", facts), Deadline(60))


def test_a_size_that_is_not_announced_is_counted():
    def spoil(request, answer):
        return Answer(200, DATA, {"Content-Length": None})

    with serving(Archive(DATA, spoil=spoil)) as server, service_at(server.url) as service:
        assert service.measure(JOB, Deadline(60)) == len(DATA)


MISMEASURED = {
    "gzip": encoded("gzip"),
    "gzip as 200": lambda request, answer: Answer(200, DATA, {"Content-Encoding": "gzip"}),
    "a page": lambda request, answer: Answer(
        200, b"<html>log in</html>", {"Content-Type": "text/html; charset=utf-8"}
    ),
    "changed on the way": with_status(203),
    "no content": lambda request, answer: Answer(204, b"", {"Content-Length": "17"}),
    "another part": content_range(f"bytes {MIB}-{2 * MIB - 1}/{len(DATA)}"),
    "a smaller part": lambda request, answer: Answer(
        206, answer.body[:-1], {"Content-Range": f"bytes 0-{MIB - 2}/{len(DATA)}"}
    ),
    "a part that is longer, no length": lengthless(lambda body: body + b"x"),
    "a part that is shorter, no length": lengthless(lambda body: body[:-1]),
    "two lengths": lambda request, answer: with_headers(
        Answer(200, DATA), Content_Length=f"{len(DATA)}", content_length="5"
    ),
    "a length that chunks contradict": lambda request, answer: Answer(
        200, b"5\r\nabcde\r\n0\r\n\r\n", {"Content-Length": "9", "Transfer-Encoding": "chunked"}
    ),
}


@pytest.mark.parametrize("spoil", MISMEASURED.values(), ids=MISMEASURED.keys())
def test_a_size_is_not_taken_from_what_is_no_output(spoil):
    with (
        serving(Archive(DATA, spoil=spoil)) as server,
        service_at(server.url, attempts=2) as service,
    ):
        with pytest.raises((WrongAnswerError, UnreachableError)):
            service.measure(JOB, Deadline(60))
        server.behaviour = Archive(DATA, spoil=once(spoil))
        assert service.measure(JOB, Deadline(60)) == len(DATA)


def broken(begin, go_on):
    """Send so many bytes of the body, then do something else."""

    def spoil(request, answer):
        def behave(request, wire):
            wire.send(answer.head + answer.body[:begin])
            go_on(wire)

        return behave

    return spoil


UNFINISHED = {
    "cut at the start": cut_after(0),
    "cut in the middle": cut_after(300_000),
    "cut before the last byte": cut_after(MIB - 1),
    "reset": broken(300_000, lambda wire: wire.reset()),
    "silent": broken(300_000, lambda wire: wire.hang()),
    "slow": broken(0, lambda wire: wire.trickle(bytes(MIB), 0.001)),
    "cut in a chunk": lambda request, answer: with_headers(
        replace(answer, body=b"%x\r\n%b" % (MIB, answer.body[:-1])),
        Content_Length=None,
        Transfer_Encoding="chunked",
    ),
    "cut before the end of chunks": lambda request, answer: with_headers(
        replace(answer, body=b"%x\r\n%b\r\n" % (MIB, answer.body)),
        Content_Length=None,
        Transfer_Encoding="chunked",
    ),
}


@pytest.mark.parametrize("spoil", UNFINISHED.values(), ids=UNFINISHED.keys())
def test_a_size_that_an_answer_states_is_known_though_its_body_does_not_come(spoil, monkeypatch):
    """On a line where that happens each time, all else is read in pieces, or with patience."""
    monkeypatch.setattr(output_size, "TUNING", ServiceTuning(measuring_seconds=0.2))
    with (
        serving(Archive(DATA, spoil=spoil)) as server,
        service_at(server.url, attempts=1, read_timeout=0.5) as service,
    ):
        for _ in range(2):
            assert service.measure(JOB, Deadline(10)) == len(DATA)
        assert server.spans() == [(0, MIB)] * 2
        # What does not come is on its way there.
        assert [request.connection for request in server.requests] == [0, 1]
