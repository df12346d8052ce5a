"""The work of reading what a service answers grows no faster than the answer."""

import contextlib
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.deadline import Deadline
from casfs.errors import CasfsError
from casfs.model import Job
from casfs.service import fields
from casfs.service.cas import cas
from tests.support.growth import assert_linear, pumped, pumps
from tests.support.server import Answer, serving
from tests.support.service import KEY, service_at

VALUES = {
    "ISO date": fields.iso_date,
    "date of HTTP": fields.http_date,
    "range": fields.byte_range,
    "number": fields.integer,
    "digest": lambda text: fields.digest(text, 32),
    "text": fields.text,
}
JOB: Job = cas("-", KEY, "").job(
    "v", {"JobId": "j", "Action": "InventoryRetrieval", "StatusCode": "Succeeded"}
)


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=25, deadline=None)
@given(pump=pumps)
def test_a_value_takes_linear_work(name, pump):
    assert_linear(VALUES[name], lambda length: pumped(pump, length))


def in_code(text):
    return Answer(403, json.dumps({"code": text, "message": text}).encode(), {"Date": "x"})


def as_body(text):
    return Answer(403, text.encode("utf-8", "surrogatepass"), {"Content-Type": "text/html"})


def in_headers(text):
    plain = re.sub(r"[^ -~]", "?", text)
    headers = {"Content-Range": f"bytes {plain}", "Date": plain, "x-cas-requestid": plain}
    return Answer(206, b"a", headers)


def in_listing(text):
    vault = {"VaultName": "v", "CreationDate": text, "NumberOfArchives": text, "Marker": text}
    return Answer(200, json.dumps(vault).encode())


@settings(max_examples=30, deadline=None)
@given(form=st.sampled_from([in_code, as_body, in_headers, in_listing]), pump=pumps)
def test_an_answer_takes_linear_work(form, pump):
    answers: list[Answer] = []
    with (
        serving(lambda request, wire: answers[0]) as server,
        service_at(server.url, attempts=1) as service,
    ):

        def ask(answer):
            answers[:] = [answer]
            with contextlib.suppress(CasfsError):
                service.vault("v", Deadline(5))
            with contextlib.suppress(CasfsError):
                service.measure(JOB, Deadline(5))

        assert_linear(ask, lambda length: form(pumped(pump, length)))
