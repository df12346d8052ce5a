"""Which inventories are taken into the catalogue, where one of them is malformed."""

import io
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from casfs.errors import InventoryError
from casfs.model import Job
from casfs.tree.archives.entries import Scope
from casfs.tree.descriptions.rules import DEFAULT
from casfs.tree.ingest_worker import IngestWorker
from tests.support.processes import wait_until
from tests.support.threads import no_new_threads
from tests.support.vaults import DIALECT, Vaults, vaults_at


def inventory(archive: str) -> str:
    listed = {"ArchiveId": archive, "ArchiveDescription": archive, "Size": 5}
    return json.dumps({"ArchiveList": [listed]})


CUT = inventory("of the cut one")[:-5]
OUTPUTS = {"a": inventory("first"), "b": CUT, "c": inventory("last")}


class Account:
    """Inventory jobs that are whole in the cache, how often they were looked for and read."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.looks = 0

    def vault(self, name: str) -> Any:
        return SimpleNamespace(name=name, archives=1)

    def inventory_jobs(self, vault: str) -> list[Job]:
        self.looks += 1
        facts = {"Action": "InventoryRetrieval", "StatusCode": "Succeeded"}
        return [DIALECT.job(vault, {"JobId": name, **facts}) for name in OUTPUTS]

    def is_cached(self, job: Job) -> bool:
        return True

    def sure_size(self, job: Job) -> int | None:
        return job.size

    def has_other_size(self, job: Job) -> bool:
        return False

    @contextmanager
    def open(self, job: Job) -> Iterator[io.BytesIO]:
        self.read.append(job.id)
        yield io.BytesIO(OUTPUTS[job.id].encode())


@contextmanager
def feeding(path: Path) -> Iterator[tuple[Vaults, Account, IngestWorker]]:
    account: Any = Account()
    with vaults_at(path) as vaults:
        rules = {"v": DEFAULT}.__getitem__
        with closing(IngestWorker(DIALECT, account, vaults.intake, account.open, rules)) as feed:
            yield vaults, account, feed


def test_a_malformed_inventory_does_not_keep_others_out(tmp_path: Path) -> None:
    with feeding(tmp_path / "catalogue") as (vaults, account, feed):
        with pytest.raises(InventoryError, match="job b in vault v"):
            feed.refresh("v", lambda *_: None)
        assert set(vaults.tree(Scope.ALL)) == {"first", "last"}
        # Whoever asks for it has it tried again.
        with pytest.raises(InventoryError, match="job b in vault v"):
            feed.refresh("v", lambda *_: None)
        assert account.read == ["a", "b", "c", "b"]


def test_looking_reads_a_malformed_inventory_once(tmp_path: Path) -> None:
    with feeding(tmp_path / "catalogue") as (vaults, account, feed):
        feed.catch_up("v")
        wait_until(lambda: len(vaults.tree(Scope.ALL)) == 2, "both inventories")
        looks = account.looks
        feed.catch_up("v")
        wait_until(lambda: account.looks > looks, "the second look")
    assert account.read == ["a", "b", "c"]


def test_inventories_are_taken_in_after_no_thread_could_be_started_for_it(tmp_path: Path) -> None:
    with feeding(tmp_path / "catalogue") as (vaults, _, feed):
        with no_new_threads():
            feed.catch_up("v")
        feed.catch_up("v")
        wait_until(lambda: len(vaults.tree(Scope.ALL)) == 2, "both inventories")
