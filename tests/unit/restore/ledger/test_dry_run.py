"""A dry run sees what is recorded, and writes nothing."""

from contextlib import closing

from casfs.ledger.request import RequestState, account_key
from casfs.restore.ledger import Ledger
from tests.support.ledgers import ORIGIN, VAULT, intended, ledger


def dry(directory):
    return Ledger(directory, account_key(ORIGIN, VAULT), VAULT.name, dry_run=True)


def held(directory):
    """The bytes of the ledger, without what SQLite keeps beside it for readers."""
    return {path.name: path.read_bytes() for path in directory.glob("requests.sqlite")}


def test_a_dry_run_creates_nothing(tmp_path):
    with closing(dry(tmp_path / "state")) as one:
        intended(one, one.run_of("all"))
        assert len(list(one.open_requests())) == 1
    assert not (tmp_path / "state").exists()


def test_a_dry_run_changes_a_copy(tmp_path):
    with closing(ledger(tmp_path)) as real:
        run = real.run_of("all")
        request = intended(real, run)
    before = held(tmp_path)
    with closing(dry(tmp_path)) as one:
        assert one.run_of("all") == run
        assert not one.is_alive(request.owner)
        one.note(request, RequestState.FAILED, "job-1", "so it is")
        assert [lost.job for lost in one.lost()] == ["job-1"]
        assert one.run_of("other") != run
    assert held(tmp_path) == before
    with closing(ledger(tmp_path)) as real:
        assert [open_.number for open_ in real.open_requests()] == [request.number]
        with closing(dry(tmp_path)) as one:
            assert one.is_alive(real.owner)
