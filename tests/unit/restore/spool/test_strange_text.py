"""Text that no encoding can hold, as a service may send it: it is kept, and stops nothing."""

from contextlib import closing

from casfs.ledger.request import RequestState
from casfs.restore.items import Item
from casfs.restore.spool import Spool
from tests.support.ledgers import intended, ledger

STRANGE = "lone \ud800 surrogate"


def test_the_spool_holds_any_name():
    item = Item(STRANGE, STRANGE, 0, 9, 10, 0, whole=True)
    with Spool() as spool:
        spool.add(item)
        assert list(spool.items("name", again=True)) == [item]
        assert spool.find(STRANGE, 0, 9) == item


def test_the_ledger_holds_any_reason(tmp_path):
    with closing(ledger(tmp_path)) as one:
        request = intended(one, one.run_of("all"))
        one.note_settled([(request, RequestState.FAILED, STRANGE, STRANGE)])
        found = one.request(request.number)
        assert (found.job, found.reason) == (STRANGE, STRANGE)
