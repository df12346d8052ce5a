"""The limit that all connections share."""

import threading
import time
from datetime import datetime, timedelta

import pytest

from casfs.bandwidth import parse_bandwidth
from casfs.service.throttle import Throttle
from casfs.threads import start_thread

SLOT = datetime(2026, 11, 29, 8)


def limit(text: str):
    return parse_bandwidth(text, "bwlimit")


def test_no_limit_costs_no_call():
    for off in (None, limit("off"), limit("08:00,off 12:00,off")):
        throttle = Throttle(off)
        assert (throttle.is_set, throttle.rate()) == (False, None)


@pytest.mark.parametrize("rate", [10 << 10, 2 << 20, 100 << 20])
def test_all_connections_together_get_the_limit_and_each_its_share(rate):
    throttle = Throttle(limit(f"{rate}B"))
    got, stop = [0] * 4, threading.Event()

    def receive(number: int) -> None:
        while not stop.is_set():
            got[number] += throttle.take(1 << 20)

    threads = [start_thread(f"receive-{n}", receive, n) for n in range(len(got))]
    begun = time.monotonic()
    stop.wait(2.0)
    came, seconds = list(got), time.monotonic() - begun
    stop.set()
    throttle.close()
    for thread in threads:
        thread.join(10)
    # Within what a piece, and the burst in the beginning, make of two seconds.
    assert 0.75 < sum(came) / (rate * seconds) < 1.25
    assert max(came) - min(came) <= max(0.3 * max(came), 8192)


def test_what_did_not_come_is_given_back():
    now = 100.0
    throttle = Throttle(limit("1M"), lambda: now)
    for _ in range(1000):
        throttle.give_back(throttle.take(65536) - 1)
    # 1,000 bytes came: they took a millisecond, which nobody waited for.
    begun = time.monotonic()
    throttle.take(1)
    assert time.monotonic() - begun < 0.5


def test_the_timetable_is_followed_while_bytes_come():
    now, local = 100.0, SLOT - timedelta(minutes=1)
    throttle = Throttle(limit("08:00,1M 09:00,off"), lambda: now, lambda: local)
    assert (throttle.is_set, throttle.rate()) == (True, None)
    assert throttle.take(1 << 20) == 1 << 20
    local, now = SLOT, now + 2
    assert throttle.rate() == 1 << 20
    local, now = SLOT + timedelta(hours=1), now + 2
    assert throttle.rate() is None


def test_another_limit_holds_at_once():
    throttle = Throttle(limit("1M"))
    throttle.set_limit(None)
    assert throttle.take(1 << 20) == 1 << 20
    throttle.set_limit(limit("2M"))
    assert throttle.rate() == 2 << 20


def test_who_waits_passes_when_the_client_closes():
    throttle = Throttle(limit("4K"))
    for _ in range(3):
        threading.Thread(target=throttle.take, args=(4096,), daemon=True).start()
    threading.Timer(0.2, throttle.close).start()
    begun = time.monotonic()
    throttle.take(4096)
    assert time.monotonic() - begun < 2.5
    assert throttle.take(1 << 20) == 1 << 20
