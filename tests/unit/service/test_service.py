"""Listings to their end, whatever a marker means, and the real emulator behind all calls."""

import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.deadline import Deadline
from casfs.errors import DeniedError, NotFoundError, UnreachableError, WrongAnswerError
from casfs.metrics import Metrics
from casfs.model import JobState
from tests.support.emulator.running import ACCOUNT, running_emulator
from tests.support.server import Answer, Server, in_turn, serving
from tests.support.service import html, refusal, service_at


def page(names: list[str], marker: str | None, **more: object) -> Answer:
    jobs = [{"JobId": name, "StatusCode": "Succeeded"} for name in names]
    return Answer(body=json.dumps({"JobList": jobs, "Marker": marker, **more}).encode())


class Pages:
    """Serves a sorted list of jobs; a marker names the next one, or the last one sent."""

    def __init__(self, names: list[str], inclusive: bool) -> None:
        self.names = sorted(names)
        self.inclusive = inclusive

    def __call__(self, request, wire) -> Answer:
        limit, marker = int(request.query["limit"]), request.query.get("marker")
        left = [
            name
            for name in self.names
            if marker is None or name > marker or (self.inclusive and name == marker)
        ]
        sent, rest = left[:limit], left[limit:]
        if not rest:
            return page(sent, None)
        return page(sent, rest[0] if self.inclusive else sent[-1])


@pytest.fixture(scope="module")
def pages():
    with serving(Pages([], True)) as server:
        yield server


@given(st.sets(st.text("abcXYZ019-_", min_size=1, max_size=6)), st.booleans(), st.integers(2, 5))
def test_every_job_is_listed_once(pages: Server, names, inclusive, limit):
    pages.behaviour = Pages(list(names), inclusive)
    with service_at(pages.url, page_limit=limit) as service:
        assert [job.id for job in service.jobs("v", Deadline(60))] == sorted(names)


def listed(*answers: Answer) -> tuple[list[str], Server]:
    with serving(in_turn(*answers)) as server, service_at(server.url) as service:
        return [job.id for job in service.jobs("v", Deadline(60))], server


def test_a_marker_of_the_last_item_repeats_it_without_harm():
    names, server = listed(page(["a", "b"], "b"), page(["b", "c"], "c"), page(["c"], None))
    assert names == ["a", "b", "c"]
    assert [request.query.get("marker") for request in server.requests] == [None, "b", "c"]


def test_a_page_that_brings_nothing_new_ends_a_listing():
    names, server = listed(page(["a", "b"], "b"), page(["b"], "b"))
    assert names == ["a", "b"]
    assert len(server.requests) == 2


def test_an_empty_page_with_a_marker_is_no_end():
    names, server = listed(page(["a"], "x"), page([], "y"), page(["b"], None))
    assert names == ["a", "b"]
    assert [request.query.get("marker") for request in server.requests] == [None, "x", "y"]


def test_a_listing_of_empty_pages_without_end_is_an_error():
    numbers = itertools.count()
    with (
        serving(lambda request, wire: page([], f"marker-{next(numbers)}")) as server,
        service_at(server.url) as service,
        pytest.raises(WrongAnswerError, match="no end"),
    ):
        list(service.jobs("v", Deadline(60)))


def test_entries_that_are_none_are_left_out():
    odd = Answer(body=b'{"JobList": [null, 7, {}, {"JobId": null}, {"JobId": "a"}]}')
    assert listed(odd)[0] == ["a"]


def test_a_page_that_fails_is_asked_again_and_the_listing_goes_on():
    names, server = listed(page(["a"], "b"), html(502), page(["b"], None))
    assert names == ["a", "b"]
    assert [request.query.get("marker") for request in server.requests] == [None, "b", "b"]


def test_a_listing_that_breaks_off_is_an_error_not_a_short_listing():
    with serving(in_turn(page(["a"], "b"), lambda request, wire: wire.reset())) as server:
        with service_at(server.url) as service, pytest.raises(UnreachableError):
            list(service.jobs("v", Deadline(60)))
        assert len(server.requests) == 4


def test_a_listing_without_a_list_is_a_wrong_answer():
    with pytest.raises(WrongAnswerError):
        listed(Answer(body=b'{"Markers": null}'))


def test_an_unknown_vault_is_not_found():
    with pytest.raises(NotFoundError):
        listed(refusal(404, "ResourceNotFoundException"))


@pytest.fixture(scope="module", params=["inclusive", "exclusive"])
def emulator(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with running_emulator(folder, "--marker", request.param) as running:
        for vault in ("v", "w", "Upper_Case.1"):
            running.create_vault(vault)
        archive = running.upload("v", b"x" * 3000, "a description")
        for _ in range(7):
            running.retrieve("v", archive)
        yield running


@pytest.mark.parametrize("account", ["-", ACCOUNT])
@pytest.mark.parametrize("limit", [2, 3, 7, 1000])
def test_all_pages_of_the_emulator(emulator, account, limit):
    with service_at(emulator.url, account, page_limit=limit) as service:
        jobs = list(service.jobs("v", Deadline(60)))
        assert sorted(job.id for job in jobs) == sorted(j["JobId"] for j in emulator.jobs("v"))
        assert {job.size for job in jobs} == {3000}
        vaults = [vault.name for vault in service.vaults(Deadline(60))]
        assert sorted(vaults) == ["Upper_Case.1", "v", "w"]
        assert list(service.jobs("w", Deadline(60))) == []


def test_one_vault_and_one_job(emulator):
    with service_at(emulator.url) as service:
        assert service.vault("Upper_Case.1", Deadline(60)).name == "Upper_Case.1"
        known = emulator.jobs("v")[0]
        job = service.job("v", known["JobId"], Deadline(60))
        assert json.loads(job.raw) == known
        assert job.state is JobState.SUCCEEDED
        assert service.parse_job("v", job.raw) == job
        for missing in ("nope", ".."):
            with pytest.raises(NotFoundError):
                service.vault(missing, Deadline(60))
        with pytest.raises(NotFoundError):
            service.job("v", "nope", Deadline(60))


def test_another_account_is_refused(emulator):
    with service_at(emulator.url, "77") as service, pytest.raises(DeniedError) as caught:
        list(service.vaults(Deadline(60)))
    assert re.search(r"AccessDenied.*account", str(caught.value))


@pytest.mark.parametrize("form", ["400", "503", "reset"])
def test_throttling_in_any_form_is_waited_out(tmp_path, form):
    options = ("--fault", "throttle=1,5", "--throttling", form)
    metrics = Metrics()
    with (
        running_emulator(tmp_path, *options) as running,
        service_at(running.url, metrics=metrics, attempts=50) as service,
    ):
        for _ in range(10):
            assert list(service.vaults(Deadline(60))) == []
        assert len(running.entries()) > 10
    failures = metrics.as_dict()["failures"]
    assert isinstance(failures, dict)
    assert failures.keys() == {{"400": "Throttled", "503": "Server", "reset": "Unreachable"}[form]}
