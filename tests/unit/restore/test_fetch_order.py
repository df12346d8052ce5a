"""Which output is fetched next."""

from datetime import UTC, datetime, timedelta

from casfs.restore.fetch_order import LARGE, Fetchable, FetchOrder, Lanes

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def output(key: str, size: int = 1, hours: float | None = 20) -> Fetchable:
    expires = None if hours is None else NOW + timedelta(hours=hours)
    return Fetchable.of(key, size, expires)


def filled(lanes: Lanes, *outputs: Fetchable) -> FetchOrder:
    order = FetchOrder(lanes)
    for one in outputs:
        order.add(one)
    return order


def run(order: FetchOrder, ends: int) -> list[str]:
    """Take what may begin; then, `ends` times, end the small one that began first."""
    begun, keys = [], []
    for _ in range(ends + 1):
        while (one := order.take()) is not None:
            begun.append(one)
            keys.append(one.key)
        small = next((one for one in begun if not one.is_large), None)
        if small is not None:
            begun.remove(small)
            order.done(small)
    return keys


def test_the_soonest_expiry_comes_first_and_what_has_none_last():
    order = filled(Lanes(2, 1), output("b", hours=2), output("c", hours=None), output("a", hours=1))
    assert run(order, 3) == ["a", "b", "c"]


def test_a_huge_output_does_not_hold_up_a_thousand_small_ones():
    huge = [output(f"huge {n}", 4 << 40, hours=1) for n in range(10)]
    small = [output(f"{n:04}", hours=2) for n in range(1000)]
    order = filled(Lanes(4, 2), *huge, *small)
    assert run(order, 1000) == ["huge 0", "huge 1", *(f"{n:04}" for n in range(1000))]


def test_small_ones_do_not_hold_up_a_huge_one():
    small = [output(f"{n:04}", hours=1) for n in range(1000)]
    order = filled(Lanes(4, 2), *small, output("huge", 4 << 40, hours=2))
    assert run(order, 0) == ["0000", "0001", "0002", "huge"]


def test_large_outputs_alone_use_their_lanes_and_wait():
    order = filled(Lanes(4, 2), *(output(f"{n}", LARGE) for n in range(5)))
    assert run(order, 0) == ["0", "1"]
    assert len(order) == 3
    assert order.take() is None
