"""An answer to a ranged GET is taken only if it carries exactly what was asked for."""

import errno
import gzip
import os
from dataclasses import replace

import pytest

from casfs.deadline import Deadline
from casfs.errors import (
    CasfsError,
    DeniedError,
    ExpiredError,
    MismatchError,
    NotReadyError,
    RequestError,
    ShortRangeError,
    UnreachableError,
    WrongAnswerError,
)
from casfs.service.cas import cas
from casfs.service.output_body import Body
from tests.support.archive import (
    HASH_HEADER,
    MIB,
    Archive,
    content_range,
    cut_after,
    encoded,
    lengthless,
    once,
    output_of_bytes,
    random_bytes,
    resized,
    root,
    with_headers,
    with_status,
)
from tests.support.server import Answer, in_turn, serving
from tests.support.service import KEY, refusal, service_at

DATA = random_bytes(3 * MIB + 5)
SPAN = (MIB, 2 * MIB)


def whole_body(body: Body) -> tuple[Body, bytes]:
    data = bytearray(body.stop - body.first)
    body.read_into(memoryview(data))
    return body, bytes(data)


def read(archive, attempts=2, span=SPAN, consume=whole_body, data=DATA):
    """Read from an archive; return the body, its bytes, and the server."""
    with serving(archive) as server, service_at(server.url, attempts=attempts) as service:
        found = service.outputs.read(output_of_bytes(data), span, consume, Deadline(60))
        return *found, server


WRONG = {
    "another range": content_range(f"bytes 0-{MIB - 1}/{len(DATA)}"),
    "a longer range": content_range(f"bytes {MIB}-{2 * MIB}/{len(DATA)}"),
    "a shorter range": content_range(f"bytes {MIB}-{2 * MIB - 2}/{len(DATA)}"),
    "another total": content_range(f"bytes {MIB}-{2 * MIB - 1}/{len(DATA) + 1}"),
    "no Content-Range": content_range(None),
    "another unit": content_range(f"blocks {MIB}-{2 * MIB - 1}/{len(DATA)}"),
    "nonsense": content_range("bytes abc"),
    "a number without end": content_range(f"bytes {MIB}-{2 * MIB - 1}/{'9' * 5000}"),
    "one byte less": resized(lambda body: body[:-1]),
    "one byte more": resized(lambda body: body + b"x"),
    "nothing": resized(lambda body: b""),
    "one byte less, no length": lengthless(lambda body: body[:-1]),
    "one byte more, no length": lengthless(lambda body: body + b"x"),
    "nothing, no length": lengthless(lambda body: b""),
    "cut at the start": cut_after(0),
    "cut in the middle": cut_after(MIB // 2),
    "cut before the last byte": cut_after(MIB - 1),
    "no digest": lambda request, answer: replace(
        answer, headers={**answer.headers, HASH_HEADER: "xyz"}
    ),
    "whole of another length": lambda request, answer: Answer(200, DATA + b"x"),
    "whole, cut": lambda request, answer: Answer(200, DATA[:-1], {"Content-Length": None}),
    "HTML as 200": lambda request, answer: Answer(200, b"<html>log in</html>"),
    "HTML as 206": lambda request, answer: Answer(206, b"<html>log in</html>"),
    "no content": lambda request, answer: Answer(204),
    "changed on the way": with_status(203),
    "several statuses": with_status(207),
    "several ranges": lambda request, answer: with_headers(
        answer, Content_Type="multipart/byteranges; boundary=x"
    ),
    "no range is satisfiable": content_range(f"bytes */{len(DATA)}"),
    "the same Content-Range twice": content_range(
        ", ".join([f"bytes {MIB}-{2 * MIB - 1}/{len(DATA)}"] * 2)
    ),
    "gzip": lambda request, answer: with_headers(
        replace(answer, body=gzip.compress(answer.body, 1)), Content_Encoding="gzip"
    ),
    "gzip of the whole": lambda request, answer: Answer(
        200, gzip.compress(DATA, 1), {"Content-Encoding": "gzip", "Content-Length": None}
    ),
    "said to be gzip": encoded("gzip"),
    "said to be deflate, in capitals": encoded("DEFLATE"),
    "said to be gzip and identity": encoded("identity, gzip"),
    "the part as 200": lambda request, answer: Answer(200, answer.body),
    "the part as 200 with its Content-Range": with_status(200),
    "the whole as 200 with a part's Content-Range": lambda request, answer: replace(
        answer, status=200, body=DATA
    ),
    "the whole as 206": lambda request, answer: Answer(
        206, DATA, {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    ),
    "the whole as 206 without Content-Range": lambda request, answer: Answer(206, DATA),
    "two lengths": lambda request, answer: with_headers(
        answer, Content_Length=f"{MIB}", content_length=f"{MIB - 1}"
    ),
    "a length with a sign": lambda request, answer: with_headers(answer, Content_Length=f"+{MIB}"),
    "a length with a line": lambda request, answer: with_headers(
        answer, Content_Length=f"{MIB // 1000}_{MIB % 1000:03}"
    ),
    "a length in words": lambda request, answer: with_headers(answer, Content_Length="much"),
    "a negative length": lambda request, answer: with_headers(answer, Content_Length="-1"),
    "an unknown framing": lambda request, answer: with_headers(
        answer, Content_Length=None, Transfer_Encoding="gzip, chunked"
    ),
    "chunked twice": lambda request, answer: with_headers(
        answer, Content_Length=None, Transfer_Encoding="chunked, chunked"
    ),
    "chunks without an end": lambda request, answer: with_headers(
        replace(answer, body=b"%x\r\n%b\r\n" % (MIB, answer.body)),
        Content_Length=None,
        Transfer_Encoding="chunked",
    ),
    "chunks of another length": lambda request, answer: with_headers(
        replace(answer, body=b"%x\r\n%b\r\n0\r\n\r\n" % (MIB - 1, answer.body[1:])),
        Content_Length=None,
        Transfer_Encoding="chunked",
    ),
    "chunks, and a length of others": lambda request, answer: with_headers(
        replace(answer, body=b"%x\r\n%b\r\n0\r\n\r\n" % (MIB, answer.body)),
        Content_Length=f"{MIB + 1}",
        Transfer_Encoding="chunked",
    ),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_asked_again_on_a_new_connection(spoil):
    body, data, server = read(Archive(DATA, spoil=once(spoil)))
    assert data == DATA[slice(*SPAN)]
    assert body.tree_hash == root(data)
    assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG.keys())
def test_an_answer_that_stays_wrong_is_never_handed_on(spoil):
    with pytest.raises((WrongAnswerError, OSError)) as caught:
        read(Archive(DATA, spoil=spoil))
    assert "output" in str(caught.value)


RIGHT = {
    "as the standard has it": content_range(f"bytes {MIB}-{2 * MIB - 1}/{len(DATA)}"),
    "as the documentation of OAS has it": content_range(f"bytes={MIB}-{2 * MIB - 1}/{len(DATA)}"),
    "of unknown total": content_range(f"bytes {MIB}-{2 * MIB - 1}/*"),
    "without Content-Length": lengthless(lambda body: body),
    "with the same Content-Length twice": lambda request, answer: with_headers(
        answer, Content_Length=f"{MIB}", content_length=f"{MIB}"
    ),
    "in chunks": lambda request, answer: with_headers(
        replace(answer, body=b"%x\r\n%b\r\n0\r\n\r\n" % (MIB, answer.body)),
        Content_Length=None,
        Transfer_Encoding="Chunked",
    ),
    "in chunks, and with a Content-Length": lambda request, answer: with_headers(
        replace(answer, body=b"%x\r\n%b\r\n0\r\n\r\n" % (MIB, answer.body)),
        Content_Length=f"{MIB}",
        Transfer_Encoding="chunked",
    ),
    "not encoded, and says so": encoded("identity"),
    "without hash": lambda request, answer: with_headers(answer, **{HASH_HEADER: None}),
    "with an empty hash": lambda request, answer: with_headers(answer, **{HASH_HEADER: ""}),
    "with the hash in upper case": lambda request, answer: with_headers(
        answer, **{HASH_HEADER: str(answer.headers[HASH_HEADER]).upper()}
    ),
}


@pytest.mark.parametrize("spoil", RIGHT.values(), ids=RIGHT.keys())
def test_an_answer_may_have_any_of_the_forms_in_use(spoil):
    body, data, server = read(Archive(DATA, spoil=spoil))
    assert data == DATA[slice(*SPAN)]
    assert (body.first, body.stop) == SPAN
    assert body.tree_hash in (None, root(data))
    assert server.spans() == [SPAN]


@pytest.mark.parametrize("length", [True, False])
def test_the_whole_output_instead_of_a_range_is_taken_as_what_it_is(length):
    spoil = (lambda r, answer: answer) if length else lengthless(lambda body: body)
    body, data, _ = read(Archive(DATA, ranges=False, spoil=spoil))
    assert (body.first, body.stop) == (0, len(DATA))
    assert data == DATA


FIRST = f"bytes 0-{MIB - 1}/{len(DATA)}"


def begin(size, text=FIRST, status=206):
    """The first bytes of the output, and which they are said to be."""
    return lambda request, answer: Answer(status, DATA[:size], {"Content-Range": text})


SHORT = {
    "a block": begin(MIB),
    "a part of a block": begin(MIB - 1, f"bytes 0-{MIB - 2}/{len(DATA)}"),
    "a byte": begin(1, f"bytes 0-0/{len(DATA)}"),
    "of unknown total": begin(MIB, f"bytes 0-{MIB - 1}/*"),
    "all but a byte": begin(3 * MIB - 1, f"bytes 0-{3 * MIB - 2}/{len(DATA)}"),
    "without a length": lambda request, answer: with_headers(
        begin(MIB)(request, answer), Content_Length=None
    ),
}


@pytest.mark.parametrize("measured", [False, True])
@pytest.mark.parametrize("spoil", SHORT.values(), ids=SHORT.keys())
def test_less_of_several_blocks_is_not_taken_and_not_asked_for_again(spoil, measured):
    output = replace(output_of_bytes(DATA), measured=measured)
    with serving(Archive(DATA, spoil=spoil)) as server, service_at(server.url) as service:
        with pytest.raises(ShortRangeError):
            service.outputs.read(output, (0, 3 * MIB), whole_body, Deadline(60))
        assert server.spans() == [(0, 3 * MIB)]


NOT_SHORT = {
    "another length": begin(MIB - 1),
    "another total": begin(MIB, f"bytes 0-{MIB - 1}/{len(DATA) + 1}"),
    "another begin": begin(MIB, f"bytes 1-{MIB}/{len(DATA)}"),
    "nothing": begin(0, f"bytes 1-0/{len(DATA)}"),
    "more": begin(3 * MIB + 1, f"bytes 0-{3 * MIB}/{len(DATA)}"),
    "not as a part": begin(MIB, status=200),
    "encoded": lambda request, answer: with_headers(
        begin(MIB)(request, answer), Content_Encoding="gzip"
    ),
}


@pytest.mark.parametrize("spoil", NOT_SHORT.values(), ids=NOT_SHORT.keys())
def test_what_is_not_the_begin_of_several_blocks_is_wrong(spoil):
    _, data, server = read(Archive(DATA, spoil=once(spoil)), span=(0, 3 * MIB))
    assert data == DATA[: 3 * MIB]
    assert server.spans() == [(0, 3 * MIB)] * 2


def test_what_the_consumer_finds_wrong_is_asked_again_on_a_new_connection():
    tries = []

    def picky(body):
        tries.append(whole_body(body))
        if len(tries) < 3:
            raise MismatchError("not these")
        return tries[-1]

    _, data, server = read(Archive(DATA), attempts=5, consume=picky)
    assert data == DATA[slice(*SPAN)]
    assert [request.connection for request in server.requests] == [0, 1, 2]


def test_what_fails_on_this_machine_is_not_laid_on_the_network_nor_asked_again():
    def out_of_memory(body):
        whole_body(body)
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with serving(Archive(DATA)) as server, service_at(server.url) as service:
        with pytest.raises(CasfsError, match=r"job j .*this machine.*allocate memory") as caught:
            service.outputs.read(output_of_bytes(DATA), SPAN, out_of_memory, Deadline(60))
        assert caught.value.errno == errno.EIO
        assert "network" not in str(caught.value)
        assert server.spans() == [SPAN]


def test_a_connection_that_breaks_in_the_body_is_reported_as_that():
    def broken(request, answer):
        def behave(request, wire):
            wire.send(answer.head + answer.body[: MIB // 2])
            wire.reset()

        return behave

    with pytest.raises(UnreachableError, match="check the network"):
        read(Archive(DATA, spoil=broken))


def test_an_output_that_is_gone_has_expired():
    gone = refusal(404, "ResourceNotFoundException", "The job ID was not found: j")
    with pytest.raises(ExpiredError, match=r"job j in vault v is gone.*request-42") as met:
        read(in_turn(gone))
    assert met.value.job == "j"


def test_the_output_of_a_running_job_is_not_ready():
    with pytest.raises(NotReadyError, match="still running"):
        read(Archive(DATA, state="InProgress"))


@pytest.mark.parametrize("status", [400, 413, 416])
def test_a_refusal_of_a_finished_job_is_reported_as_it_is(status):
    wrong = refusal(status, "InvalidRange")
    with pytest.raises(RequestError, match="InvalidRange"):
        read(Archive(DATA, spoil=lambda request, answer: wrong))


def test_refused_credentials_are_not_taken_for_an_expired_output():
    with pytest.raises(DeniedError):
        read(in_turn(refusal(403, "AccessDeniedException")))


def test_a_description_counts_when_its_answer_was_right():
    dialect = replace(cas("-", KEY, ""), description_header="x-description")
    told = []

    def described(text, change=lambda answer: answer):
        return lambda request, answer: with_headers(change(answer), x_description=text)

    archive = Archive(DATA, spoil=once(described("a stranger's", lambda answer: Answer(200, b"x"))))
    with serving(archive) as server, service_at(server.url, dialect=dialect) as service:
        service.descriptions.on_received = lambda vault, job, text: told.append(text)
        service.outputs.read(output_of_bytes(DATA), SPAN, whole_body, Deadline(60))
        archive.spoil = described("mine")
        service.outputs.read(output_of_bytes(DATA), SPAN, whole_body, Deadline(60))
    assert told == ["mine"]


def test_the_whole_output_may_come_as_a_part_without_saying_which():
    """So the documentation of OAS: Content-Range is for parts."""
    body, data, _ = read(Archive(DATA, spoil=content_range(None)), span=(0, len(DATA)))
    assert (body.first, body.stop, data) == (0, len(DATA), DATA)


def test_an_output_that_is_refused_and_whose_job_is_gone_has_expired():
    answers = in_turn(refusal(400, "InvalidArgument"), refusal(404, "ResourceNotFoundException"))
    with pytest.raises(ExpiredError, match="gone"):
        read(answers)
