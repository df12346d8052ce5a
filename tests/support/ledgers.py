"""Ledgers of tests, and what they hold."""

from contextlib import closing
from pathlib import Path

from casfs.ledger.request import Request, account_key
from casfs.model import Vault
from casfs.restore.intents import Intent
from casfs.restore.ledger import Ledger
from casfs.restore.prices import Load

ORIGIN = ("cas", "http://127.0.0.1:1", "key 1")
VAULT = Vault("photos", "photos", None, None, None, None, "{}", "1250000000")


def ledger(directory: Path, vault: str = VAULT.name) -> Ledger:
    """A ledger in a directory that need not exist; close it."""
    return Ledger(directory, account_key(ORIGIN, VAULT), vault)


def intent(archive: str = "one", first: int = 0, last: int = 99) -> Intent:
    """A whole archive of 100 bytes, or a range of it."""
    return Intent("archive", archive, first, last, last - first + 1)


def unlimited(spent: list[Load]) -> None:
    """Agree to everything."""


def filled(directory: Path, *archives: str) -> Path:
    """A ledger file with an open request for each archive."""
    with closing(ledger(directory)) as one:
        run = one.run_of("all")
        for archive in archives:
            one.intend(intent(archive), run, "standard", unlimited)
        return one.path


def intended(one: Ledger, run: str, archive: str = "one", tier: str = "standard") -> Request:
    """Commit an intent that is new."""
    request = one.intend(intent(archive), run, tier, unlimited)
    assert request is not None
    return request
