"""How fast requests are sent: found out from refusals, without many of them."""

import pytest

from casfs.restore.pacer import Pacer


class Service:
    """A service that takes so many requests a second, and a clock that only waiting moves."""

    def __init__(self, rate: float) -> None:
        self.now = 100.0
        self.rate = rate
        self.tokens = rate
        self.seen = self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def takes(self) -> bool:
        self.tokens = min(self.rate, self.tokens + (self.now - self.seen) * self.rate)
        self.seen = self.now
        self.now += 0.02
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@pytest.mark.parametrize("rate", [1, 5, 40])
def test_few_requests_are_refused(rate):
    service = Service(rate)
    pacer = Pacer(service.wait, lambda: service.now)
    refused = accepted = 0
    while accepted < 1000:
        assert pacer.take_turn()
        if service.takes():
            accepted += 1
            pacer.accepted()
        else:
            refused += 1
            pacer.throttled(None)
    assert refused < 0.2 * (accepted + refused)
    assert service.now - 100 < 2 * 1000 / rate


def test_a_service_that_says_when_is_left_alone_until_then():
    service = Service(5)
    pacer = Pacer(service.wait, lambda: service.now)
    pacer.take_turn()
    pacer.throttled(30.0)
    pacer.take_turn()
    assert service.now >= 130


def test_a_command_that_ends_takes_no_more_turns():
    assert not Pacer(lambda _: True).take_turn()
