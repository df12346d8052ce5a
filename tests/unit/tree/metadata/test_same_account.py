"""A key that was replaced is used only if it sees the same account's vaults."""

import json
from contextlib import contextmanager

import pytest

from casfs.credentials import Credentials
from casfs.errors import ConfigError, DeadlineError, DeniedError, UnreachableError
from casfs.service.cas import cas
from casfs.service.glacier import glacier
from casfs.service.oas import oas
from casfs.tree.metadata.same_account import SameAccount
from tests.support.server import Answer, serving
from tests.support.service import KEY, refusal, service_at

NEW = Credentials("AKIDNEW", "secret")
DIALECTS = {"cas": cas("-", KEY, ""), "glacier": glacier("-", KEY, "r"), "oas": oas("-", KEY, "")}


def vault(dialect, name, account):
    facts = {
        "cas": {"VaultQCS": f"qcs:id/0:cas:ap-chengdu:uid/{account}:vaults/{name}"},
        "glacier": {"VaultARN": f"arn:aws-cn:glacier:cn-north-1:{account}:vaults/{name}"},
        "oas": {"VaultId": f"id-of-{name}-{account}"},
    }
    return {"VaultName": name, **facts[dialect]}


@contextmanager
def checking(dialect, known, serve):
    """What checks a key where vaults are known, and the service answers it as `serve`."""
    with serving(serve) as server, service_at(server.url, dialect=DIALECTS[dialect]) as service:
        rows = [(facts["VaultName"], json.dumps(facts), True) for facts in known]
        rows.append(("gone", "{}", False))
        yield SameAccount(lambda key: service, lambda: rows), server


def listing(vaults):
    body = json.dumps({"VaultList": vaults, "Marker": None}).encode()
    return lambda request, wire: Answer(body=body)


def forbidden(described):
    """The service of a key that may not list vaults, and sees some by their names."""

    def serve(request, wire):
        name = request.path.rpartition("/")[2]
        if name == "vaults":
            return refusal(403, "AccessDeniedException")
        answer = described.get(name, 404)
        if isinstance(answer, int):
            code = {403: "AccessDeniedException", 404: "ResourceNotFoundException"}[answer]
            return refusal(answer, code)
        return Answer(body=json.dumps(answer).encode())

    return serve


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_of_the_same_account_is_used(dialect):
    known = [vault(dialect, name, 1) for name in "ab"]
    listed = listing([vault(dialect, name, 1) for name in "bcd"])
    with checking(dialect, known, listed) as (same, _):
        same.check(NEW, 20)


@pytest.mark.parametrize("dialect", ["cas", "glacier"])
def test_an_account_may_have_other_vaults_by_now(dialect):
    listed = listing([vault(dialect, "c", 1)])
    with checking(dialect, [vault(dialect, "a", 1)], listed) as (same, _):
        same.check(NEW, 20)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("names", ["ab", "a", "cd", ""])
def test_a_key_of_another_account_is_not(dialect, names):
    known = [vault(dialect, name, 1) for name in "ab"]
    listed = listing([vault(dialect, name, 2) for name in names])
    with (
        checking(dialect, known, listed) as (same, _),
        pytest.raises(ConfigError, match=r"AKIDNEW.*account.*put back.*or unmount and mount again"),
    ):
        same.check(NEW, 20)


def test_vaults_whose_names_tell_no_account_are_compared_by_name():
    plain = [{"VaultName": name, "VaultQCS": "q"} for name in "ab"]
    with checking("cas", plain[:1], listing(plain)) as (same, _):
        same.check(NEW, 20)
    with checking("cas", plain[:1], listing(plain[1:])) as (same, _), pytest.raises(ConfigError):
        same.check(NEW, 20)


SEEN = {
    "one vault, of the account": ({"a": vault("cas", "a", 1)}, True),
    "one vault, of another account": ({"a": vault("cas", "a", 2)}, False),
    "none of those": ({}, False),
    "one vault, and may not see the other": ({"a": 403, "b": vault("cas", "b", 1)}, True),
    "nothing at all": ({"a": 403, "b": 403}, True),
}


@pytest.mark.parametrize(("described", "used"), SEEN.values(), ids=SEEN)
def test_a_key_that_may_not_list_vaults_is_judged_by_those_that_it_sees(described, used):
    known = [vault("cas", name, 1) for name in "ab"]
    with checking("cas", known, forbidden(described)) as (same, _):
        if used:
            same.check(NEW, 20)
        else:
            with pytest.raises(ConfigError):
                same.check(NEW, 20)


def test_where_nothing_is_known_nothing_is_asked():
    with checking("cas", [], listing([])) as (same, server):
        same.check(NEW, 20)
        assert server.requests == []


def test_a_key_that_is_refused_itself_is_not_used():
    def refused(request, wire):
        return refusal(403, "UnrecognizedClientException")

    known = [vault("cas", "a", 1)]
    with checking("cas", known, refused) as (same, _), pytest.raises(DeniedError):
        same.check(NEW, 20)


def test_a_key_whose_account_nobody_knows_is_not_used():
    known = [vault("cas", "a", 1)]
    with (
        checking("cas", known, lambda request, wire: wire.reset()) as (same, _),
        pytest.raises(UnreachableError),
    ):
        same.check(NEW, 20)


def test_a_service_that_says_nothing_is_left_in_time():
    known = [vault("cas", "a", 1)]
    with (
        checking("cas", known, lambda request, wire: wire.hang()) as (same, _),
        pytest.raises(DeadlineError),
    ):
        same.check(NEW, 0.5)


def test_once_it_is_closed_no_key_is_looked_at():
    with checking("cas", [vault("cas", "a", 1)], listing([])) as (same, server):
        same.close()
        with pytest.raises(UnreachableError):
            same.check(NEW, 20)
        assert server.requests == []
