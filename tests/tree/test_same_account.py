"""A key that was replaced is used only if it sees the same account's vaults."""

import json
from contextlib import contextmanager

import pytest

from casfs.credentials import Credentials
from casfs.errors import ConfigError, DeniedError, UnreachableError
from casfs.service.cas import cas
from casfs.service.glacier import glacier
from casfs.service.oas import oas
from casfs.tree.same_account import SameAccount
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
def found_again(dialect, known, serve, found=NEW):
    """What is found where vaults are known, and the service of a new key answers as `serve`."""
    with serving(serve) as server, service_at(server.url, dialect=DIALECTS[dialect]) as service:
        rows = [(facts["VaultName"], json.dumps(facts), True) for facts in known]
        rows.append(("gone", "{}", False))
        yield SameAccount(lambda: found, lambda key: service, lambda: rows), server


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
    with found_again(dialect, known, listed) as (same, _):
        assert same.find() is NEW


@pytest.mark.parametrize("dialect", ["cas", "glacier"])
def test_an_account_may_have_other_vaults_by_now(dialect):
    listed = listing([vault(dialect, "c", 1)])
    with found_again(dialect, [vault(dialect, "a", 1)], listed) as (same, _):
        assert same.find() is NEW


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("names", ["ab", "a", "cd", ""])
def test_a_key_of_another_account_is_not(dialect, names):
    known = [vault(dialect, name, 1) for name in "ab"]
    listed = listing([vault(dialect, name, 2) for name in names])
    with (
        found_again(dialect, known, listed) as (same, _),
        pytest.raises(ConfigError, match=r"AKIDNEW.*account.*put back.*or unmount and mount again"),
    ):
        same.find()


def test_vaults_whose_names_tell_no_account_are_compared_by_name():
    plain = [{"VaultName": name, "VaultQCS": "q"} for name in "ab"]
    with found_again("cas", plain[:1], listing(plain)) as (same, _):
        assert same.find() is NEW
    with found_again("cas", plain[:1], listing(plain[1:])) as (same, _), pytest.raises(ConfigError):
        same.find()


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
    with found_again("cas", known, forbidden(described)) as (same, _):
        if used:
            assert same.find() is NEW
        else:
            with pytest.raises(ConfigError):
                same.find()


def test_where_nothing_is_known_nothing_is_asked():
    with found_again("cas", [], listing([])) as (same, server):
        assert same.find() is NEW
        assert server.requests == []
    with found_again("cas", [vault("cas", "a", 1)], listing([]), found=None) as (same, server):
        assert same.find() is None
        assert server.requests == []


def test_a_key_that_is_refused_itself_is_not_used():
    def refused(request, wire):
        return refusal(403, "UnrecognizedClientException")

    known = [vault("cas", "a", 1)]
    with found_again("cas", known, refused) as (same, _), pytest.raises(DeniedError):
        same.find()


def test_a_key_whose_account_nobody_tells_is_not_used():
    known = [vault("cas", "a", 1)]
    with (
        found_again("cas", known, lambda request, wire: wire.reset()) as (same, _),
        pytest.raises(UnreachableError),
    ):
        same.find()
