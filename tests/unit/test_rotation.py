"""A key that the service refuses is looked for again: by one thread, now and then."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from casfs.credentials import Credentials, owner
from casfs.errors import ConfigError, DeadlineError, DeniedError
from casfs.rotation import RotatingKeys

OLD, NEW, NEWER = (Credentials(name, f"secret of {name}") for name in ("old", "new", "newer"))


class Place:
    """Where a key stands; notes how often it was looked for."""

    def __init__(self, key):
        self.key = key
        self.looked = 0

    def __call__(self):
        self.looked += 1
        if isinstance(self.key, Exception):
            raise self.key
        return self.key


@pytest.fixture
def clock(monkeypatch):
    """The seconds of the module, which pass only as a test says."""
    now = [1000.0]
    monkeypatch.setattr("casfs.rotation.time.monotonic", lambda: now[0])
    return now


def test_another_key_is_taken_and_the_cache_stays_the_first_ones(clock):
    keys = RotatingKeys(OLD, Place(NEW))
    before = keys.edition
    assert keys.current() == OLD
    assert keys.renew(before, 1)
    assert keys.current() == NEW
    assert keys.edition != before
    assert owner("-", keys) == owner("-", OLD)


@pytest.mark.parametrize(
    "there", [OLD, None, ConfigError("no file"), DeniedError("sign in again")], ids=str
)
def test_a_key_that_is_refused_for_good_is_looked_for_now_and_then(clock, there):
    place = Place(there)
    keys = RotatingKeys(OLD, place)
    for _ in range(100):
        assert not keys.renew(keys.edition, 1)
    assert place.looked == 1
    assert keys.current() == OLD
    clock[0] += 60
    place.key = NEW
    assert keys.renew(keys.edition, 1)
    assert (place.looked, keys.current()) == (2, NEW)


def test_a_key_can_be_replaced_again_and_again(clock):
    place = Place(NEW)
    keys = RotatingKeys(OLD, place)
    for key in (NEW, NEWER, OLD):
        place.key = key
        assert keys.renew(keys.edition, 1)
        assert keys.current() == key
        clock[0] += 60


def test_who_was_refused_with_the_key_before_takes_the_one_that_is_there(clock):
    place = Place(NEW)
    keys = RotatingKeys(OLD, place)
    before = keys.edition
    assert keys.renew(before, 1)
    assert all(keys.renew(before, 1) for _ in range(10))
    assert place.looked == 1


def test_one_thread_looks_and_the_others_wait_for_it():
    begun, go = threading.Event(), threading.Event()

    def find_again():
        assert not begun.is_set(), "two look at once"
        begun.set()
        assert go.wait(30)
        return NEW

    keys = RotatingKeys(OLD, find_again)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(keys.renew, keys.edition, 30) for _ in range(8)]
        assert begun.wait(30)
        # While one looks, the key that is there can be used, and nobody waits for ever.
        assert keys.current() == OLD
        assert not keys.renew(keys.edition, 0.01)
        go.set()
        assert [one.result(30) for one in asked] == [True] * 8
    assert keys.current() == NEW


class Checks:
    """Notes what was checked, and how long that was allowed to take."""

    def __init__(self, error=None):
        self.error = error
        self.made = []

    def __call__(self, key, seconds):
        self.made.append((key, seconds))
        if self.error is not None:
            raise self.error


def test_only_another_key_is_checked(clock):
    check = Checks()
    place = Place(OLD)
    keys = RotatingKeys(OLD, place, check)
    assert not keys.renew(keys.edition, 60)
    assert check.made == []
    clock[0] += 60
    place.key = NEW
    assert keys.renew(keys.edition, 60)
    assert check.made == [(NEW, 20)]


def test_a_check_takes_no_longer_than_the_request_may(clock):
    check = Checks()
    keys = RotatingKeys(OLD, Place(NEW), check)
    assert keys.renew(keys.edition, 3)
    assert check.made == [(NEW, 3)]


@pytest.mark.parametrize("error", [ConfigError("another's"), DeadlineError("silence")], ids=str)
def test_a_key_that_fails_its_check_is_not_used_and_not_checked_all_the_time(clock, error):
    check = Checks(error)
    keys = RotatingKeys(OLD, Place(NEW), check)
    for _ in range(10):
        assert not keys.renew(keys.edition, 60)
    assert keys.current() == OLD
    assert len(check.made) == 1


def test_who_has_time_left_checks_a_key_again_for_which_another_had_too_little():
    begun, go = threading.Event(), threading.Event()

    def check(key, seconds):
        if seconds < 20:
            begun.set()
            assert go.wait(30)
            raise DeadlineError("silence")

    keys = RotatingKeys(OLD, Place(NEW), check)
    with ThreadPoolExecutor(2) as pool:
        hasty = pool.submit(keys.renew, keys.edition, 1)
        assert begun.wait(30)
        patient = pool.submit(keys.renew, keys.edition, 60)
        go.set()
        assert not hasty.result(30)
        assert patient.result(30)
    assert keys.current() == NEW


def test_a_bug_while_looking_holds_nobody_up(clock):
    def find_again():
        raise ZeroDivisionError

    keys = RotatingKeys(OLD, find_again)
    with pytest.raises(ZeroDivisionError):
        keys.renew(keys.edition, 1)
    assert not keys.renew(keys.edition, 1)


def test_no_secret_is_logged(clock, caplog):
    caplog.set_level("INFO")
    keys = RotatingKeys(OLD, Place(NEW))
    keys.renew(keys.edition, 1)
    assert "switching to key new" in caplog.text
    assert "secret of" not in caplog.text
