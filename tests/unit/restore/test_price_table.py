"""Prices: the sums that users were promised, what is unknown, and what a profile overrides."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import ConfigError
from casfs.restore.amounts import EXACT, Cap, Estimate, amount_text
from casfs.restore.price_table import find_prices
from casfs.restore.prices import INVENTORY, Load, added, load_of

TIB = 1 << 40
GIB = 1 << 30
TEN_TIB = 10 * TIB

CAS = find_prices("cas", "ap-chengdu", {})
GLACIER = find_prices("glacier", "us-east-1", {})

loads = st.lists(
    st.builds(load_of, st.sampled_from(["expedited", "standard", "bulk"]), st.integers(1, 1 << 45)),
    max_size=20,
)


def ten_tib(tier, prices, inside=False):
    size = TEN_TIB // 1000
    found = [load_of(tier, size)] * 999 + [load_of(tier, TEN_TIB - 999 * size)]
    return prices.estimate(found, inside)


def known(amount):
    assert amount is not None
    return amount


def cents(amount):
    return str(amount.quantize(Decimal("0.01")))


@pytest.mark.parametrize(
    ("prices", "tier", "retrieval", "traffic", "requests"),
    [
        (CAS, "standard", "614.40", "6553.60", "13.21"),
        (GLACIER, "standard", "102.40", "912.60", "0.05"),
        (GLACIER, "bulk", "25.60", "912.60", "0.02"),
        (GLACIER, "expedited", "307.20", "912.60", "10.00"),
    ],
)
def test_ten_tib_in_a_thousand_archives(prices, tier, retrieval, traffic, requests):
    found = ten_tib(tier, prices)
    assert (cents(found.retrieval), cents(found.traffic)) == (retrieval, traffic)
    assert cents(found.requests) == requests


def test_requests_are_those_that_start_jobs_and_those_that_read():
    posts = CAS.estimate([Load("standard", 1000, 0, 0)], True).requests
    gets = CAS.estimate([Load("standard", 0, TEN_TIB, TEN_TIB // (8 << 20))], True).requests
    assert (cents(posts), cents(gets)) == ("0.10", "13.11")


def test_traffic_inside_the_region_costs_nothing():
    assert ten_tib("standard", CAS, inside=True).traffic == 0


@pytest.mark.parametrize(
    ("gigabytes", "cost"),
    [(99, "0.00"), (100, "0.00"), (101, "0.09"), (100 + 10240 + 2, "921.77")],
)
def test_traffic_of_glacier_has_free_gigabytes_and_steps(gigabytes, cost):
    assert cents(GLACIER.estimate([load_of("bulk", gigabytes * GIB)], False).traffic) == cost


def test_what_nobody_says_is_unknown():
    oas = find_prices("oas", "cn-hangzhou", {}).estimate([load_of("standard", GIB)], False)
    ireland = find_prices("glacier", "eu-west-1", {}).estimate([load_of("standard", GIB)], False)
    sizeless = CAS.estimate([load_of("standard", None)], False)
    inventory = GLACIER.estimate([load_of(INVENTORY, None)], False)
    for found in (oas, ireland, sizeless, inventory):
        assert found.total is None
        assert not found.is_free
    assert amount_text(oas.total, oas.currency) == "unknown"
    assert CAS.estimate([load_of(INVENTORY, None)], False).total == Decimal("0.00011")


@given(loads, loads)
def test_waves_add_up_to_the_whole(one, two):
    for prices in (CAS, GLACIER):
        before, whole = prices.estimate(one, False), prices.estimate([*one, *two], False)
        wave = whole - before
        assert before + wave == whole
        assert known(wave.total) >= 0
        with localcontext(EXACT):
            assert known(before.total) + known(wave.total) == whole.total
            parts = (whole.retrieval, whole.traffic, whole.requests)
            assert sum(map(known, parts)) == whole.total


@given(loads)
def test_adding_jobs_up_first_changes_nothing(found):
    for prices in (CAS, GLACIER):
        assert prices.estimate(added(found), False) == prices.estimate(found, False)


def test_currencies_are_never_added():
    with pytest.raises(ValueError, match="CNY and USD"):
        CAS.estimate([], False) + GLACIER.estimate([], False)


def test_a_profile_overrides_price_by_price():
    own = {"retrieval_per_gb": {"standard": 0.07}, "date": "2027-01-01"}
    prices = find_prices("cas", "ap-chengdu", own)
    assert prices.estimate([load_of("standard", GIB)], True).retrieval == Decimal("0.07")
    assert prices.estimate([load_of("bulk", GIB)], True).retrieval == Decimal("0.016")
    assert str(prices.date) == "2027-01-01"


def test_a_profile_in_another_currency_shares_no_price():
    own = {"currency": "usd", "retrieval_per_gb": {"standard": "0.01"}}
    found = find_prices("cas", "ap-chengdu", own).estimate([load_of("standard", GIB)], False)
    assert found == Estimate("USD", Decimal("0.01"), None, None)


def test_a_profile_may_have_all_prices_of_a_service_that_casfs_has_none_of():
    own = {
        "currency": "CNY",
        "retrieval_per_gb": {"standard": "0.05"},
        "jobs_per_1000": {"standard": 0},
        "gets_per_10000": 0,
        "traffic_per_gb": [[0.5, 10], [0.4]],
    }
    found = find_prices("oas", "cn-hangzhou", own).estimate([load_of("standard", 11 * GIB)], False)
    assert (found.retrieval, found.traffic) == (Decimal("0.55"), Decimal("5.4"))


@pytest.mark.parametrize(
    "own",
    [
        {"currency": 5},
        {"currency": "EURO"},
        {"retrieval": 5},
        {"retrieval_per_gb": 5},
        {"retrieval_per_gb": {"fast": 5}},
        {"retrieval_per_gb": {"bulk": -1}},
        {"retrieval_per_gb": {"bulk": float("nan")}},
        {"gets_per_10000": True},
        {"traffic_per_gb": []},
        {"traffic_per_gb": [[1, 10]]},
        {"traffic_per_gb": [[1, 10], [1, 5], [1]]},
        {"traffic_per_gb": [[1], [2]]},
        {"inside": ["nowhere"]},
        {"inside": 5},
        {"date": "tomorrow"},
    ],
)
def test_a_malformed_table_is_refused_by_name(own):
    with pytest.raises(ConfigError, match="prices: "):
        find_prices("cas", "", own)


def test_a_table_without_a_currency_is_refused():
    with pytest.raises(ConfigError, match="no currency"):
        find_prices("oas", "", {"gets_per_10000": 1})


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ("0", Cap(Decimal(0))),
        ("100", Cap(Decimal(100))),
        ("12.50usd", Cap(Decimal("12.50"), "USD")),
        ("100 CNY", Cap(Decimal(100), "CNY")),
    ],
)
def test_a_cap_is_an_amount_with_or_without_a_currency(text, cap):
    assert Cap.parse(text) == cap


@pytest.mark.parametrize("text", ["", "-1", "CNY", "1e3", "1,000", "5 EURO", "nan"])
def test_what_is_not_an_amount_is_refused(text):
    with pytest.raises(ConfigError, match="--max-cost"):
        Cap.parse(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00 CNY"),
        ("0.0001", "under 0.01 CNY"),
        ("3211.264", "3,211.26 CNY"),
        ("0.125", "0.13 CNY"),
    ],
)
def test_amounts_for_people(amount, text):
    assert amount_text(Decimal(amount), "CNY") == text
