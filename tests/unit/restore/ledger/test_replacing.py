"""A new request replaces one whose output expires too soon, in one transaction."""

from contextlib import closing

import pytest

from casfs.errors import CasfsError
from casfs.ledger.request import TO_THE_END, RequestState
from casfs.restore.intents import Intent
from tests.support.ledgers import intended, intent, ledger, unlimited


class TooMuchError(CasfsError):
    pass


def too_much(_):
    raise TooMuchError("too much")


def test_what_is_replaced_is_marked_as_expired_with_the_new_intent(tmp_path):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        old = intended(one, run)
        one.note(old, RequestState.READABLE, "job-1")
        with pytest.raises(TooMuchError):
            one.intend(intent(), run, "standard", too_much, [old.number])
        assert one.request(old.number).state is RequestState.READABLE
        new = one.intend(intent(), run, "standard", unlimited, [old.number])
        assert new is not None
        assert one.request(old.number).state is RequestState.EXPIRED
        assert [request.number for request in one.open_requests()] == [new.number]
        # Both are paid.
        assert one.spent(run)[0].jobs == 2


def test_a_part_replaces_the_whole_that_covers_it_and_nothing_else(tmp_path):
    with closing(ledger(tmp_path)) as one:
        run = one.run_of("all")
        whole = one.intend(Intent("archive", "one", 0, TO_THE_END, 200), run, "bulk", unlimited)
        assert whole is not None
        one.note(whole, RequestState.READABLE, "job-1")
        for first, last in ((0, 99), (100, 199)):
            part = intent(first=first, last=last)
            assert one.intend(part, run, "bulk", unlimited, [whole.number]) is not None
        # Another process was faster.
        again = intent(first=0, last=99)
        assert one.intend(again, run, "bulk", unlimited, [whole.number]) is None
