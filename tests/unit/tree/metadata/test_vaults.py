"""The vaults of a key that may not list them: those that are known, or named, or asked for."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from casfs.errors import DeniedError, ForbiddenError, NotFoundError, TransientError
from casfs.metrics import Metrics
from casfs.service.dialect import Dialect
from casfs.service.oas import oas
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.account_settings import AccountSettings
from tests.support.catalogs import CachedJobs, catalog_at
from tests.support.server import Answer, Request, Server, Wire, serving
from tests.support.service import KEY, html, refusal, service_at


class World:
    """Vaults on a server, and what a key may ask for: `list`, `describe`, `jobs`."""

    def __init__(self) -> None:
        self.vaults = ["mine", "named", "other"]
        self.allowed = {"describe", "jobs"}
        self.visible = {"mine", "named", "other"}
        self.down = False

    def __call__(self, request: Request, wire: Wire) -> Answer:
        del wire
        path = request.path.partition("/vaults")[2].strip("/").split("/")
        if self.down:
            return html(502)
        call = "list" if path == [""] else "describe" if len(path) == 1 else "jobs"
        if call not in self.allowed or (call != "list" and path[0] not in self.visible):
            code = "AccessDeniedException" if "q-ak" in str(request.headers) else "AccessDenied"
            return refusal(403, code)
        if call == "list":
            facts: dict[str, object] = {"VaultList": [self.facts(name) for name in self.vaults]}
        elif path[0] not in self.vaults:
            return refusal(404, "ResourceNotFoundException")
        else:
            facts = self.facts(path[0]) if call == "describe" else {"JobList": []}
        return Answer(body=json.dumps(facts).encode())

    def facts(self, name: str) -> dict[str, object]:
        return {"VaultName": name, "VaultId": name, "NumberOfArchives": 7}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    with serving(world) as running:
        yield running


@contextlib.contextmanager
def account_at(
    server: Server,
    folder: Path,
    *named: str,
    ttl: float = 60,
    own: bool = True,
    dialect: Dialect | None = None,
) -> Iterator[Account]:
    with (
        service_at(server.url, attempts=1, dialect=dialect) as service,
        catalog_at(folder / "c.sqlite") as catalog,
    ):
        settings = AccountSettings(ttl, 10, named, own_account=own)
        yield Account(service, catalog, CachedJobs(), lambda _: None, settings, Metrics())


def names(account: Account) -> list[str]:
    return [vault.name for vault in account.vaults()]


def test_named_vaults_are_there_and_others_are_found_by_name(
    server: Server, tmp_path: Path
) -> None:
    with account_at(server, tmp_path, "named") as account:
        account.check()
        assert names(account) == ["named"]
        assert account.vault("named").archives == 7
        assert account.vault("mine").name == "mine"
        assert account.job_names("mine") == {}
        assert names(account) == ["mine", "named"]
        assert isinstance(account.refusal(), ForbiddenError)
    # Known from before: without the service, too.
    with account_at(server, tmp_path) as account:
        account.check()
        assert names(account) == ["mine", "named"]


def test_known_vaults_are_there_when_the_service_is_away(
    server: Server, world: World, tmp_path: Path
) -> None:
    with account_at(server, tmp_path) as account:
        account.vault("mine")
    world.down = True
    with account_at(server, tmp_path) as account:
        account.check()
        assert names(account) == ["mine"]
        assert account.vault("mine").name == "mine"


def test_nothing_is_asked_twice_within_the_time_to_live(server: Server, tmp_path: Path) -> None:
    with account_at(server, tmp_path, "named") as account:
        account.check()
        account.vault("mine")
        with pytest.raises(NotFoundError):
            account.vault("%41")
        asked = len(server.requests)
        for _ in range(3):
            assert names(account) == ["mine", "named"]
            account.vault("mine")
            account.vault("named")
        assert len(server.requests) == asked


@pytest.mark.parametrize("visible", [True, False], ids=["missing", "refused"])
def test_a_name_that_is_none_is_asked_for_once(
    server: Server, world: World, tmp_path: Path, visible: bool
) -> None:
    if visible:
        world.visible.add("nope")
    asked = []
    with account_at(server, tmp_path) as account:
        for _ in range(3):
            with pytest.raises(NotFoundError if visible else DeniedError):
                account.vault("nope")
            asked.append(len(server.requests))
    assert asked[0] == asked[-1]


def test_a_key_that_sees_none_of_the_vaults_is_refused(
    server: Server, world: World, tmp_path: Path
) -> None:
    world.visible = set()
    with (
        account_at(server, tmp_path, "named") as account,
        pytest.raises(ForbiddenError, match="setting `vaults`"),
    ):
        account.check()


def test_a_refusal_may_mean_a_wrong_account_where_one_is_given(
    server: Server, tmp_path: Path
) -> None:
    with account_at(server, tmp_path, own=False) as account, pytest.raises(DeniedError):
        account.check()
    with account_at(server, tmp_path, "mine", own=False) as account:
        account.check()
    with account_at(server, tmp_path / "new", own=True) as account:
        account.check()
        assert names(account) == []


def test_a_key_that_may_ask_for_jobs_alone_sees_a_vault(
    server: Server, world: World, tmp_path: Path
) -> None:
    world.allowed = {"jobs"}
    with account_at(server, tmp_path, "named") as account:
        account.check()
        assert names(account) == ["named"]
        assert json.loads(account.vault("named").raw) == {"VaultName": "named"}
        assert account.job_names("named") == {}
        assert account.vault("mine").name == "mine"


def test_a_named_vault_that_there_is_not_is_not_shown(
    server: Server, world: World, tmp_path: Path
) -> None:
    world.visible.add("nope")
    with account_at(server, tmp_path, "named", "nope") as account:
        assert names(account) == ["named"]


def test_a_vault_that_is_gone_disappears(server: Server, world: World, tmp_path: Path) -> None:
    with account_at(server, tmp_path, ttl=0) as account:
        account.vault("mine")
        assert names(account) == ["mine"]
        world.vaults.remove("mine")
        assert names(account) == []
        with pytest.raises(NotFoundError):
            account.vault("mine")


def test_a_key_that_may_list_sees_all_again(server: Server, world: World, tmp_path: Path) -> None:
    with account_at(server, tmp_path, "named", ttl=0) as account:
        assert names(account) == ["named"]
        world.allowed.add("list")
        assert names(account) == ["mine", "named", "other"]
        assert account.refusal() is None
        world.allowed.remove("list")
        assert names(account) == ["mine", "named", "other"]
        assert account.refusal() is not None


def test_a_failing_service_is_no_refusal(server: Server, world: World, tmp_path: Path) -> None:
    world.down = True
    with account_at(server, tmp_path, "named") as account, pytest.raises(TransientError):
        account.check()


def test_where_ids_stand_for_vaults_one_is_found_by_its_id(server: Server, tmp_path: Path) -> None:
    with account_at(server, tmp_path, "named", dialect=oas("-", KEY, "")) as account:
        account.check()
        assert names(account) == ["named"]
        assert account.job_names("named") == {}
        assert account.vault("mine").name == "mine"
