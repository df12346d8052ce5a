"""Inside or outside the region: by the setting, else by the address, unless a proxy is in force."""

import socket

import pytest

from casfs.restore.price_table import find_prices
from casfs.restore.traffic import find_place

NETWORKS = find_prices("cas", "ap-chengdu", {}).inside
ENDPOINT = "https://cas.ap-chengdu.myqcloud.com"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def resolves_to(monkeypatch, *addresses):
    found = [(2, 1, 6, "", (one, 0)) for one in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize(
    ("addresses", "inside"),
    [
        (["10.1.2.3"], True),
        (["100.64.0.1", "169.254.0.47"], True),
        (["::ffff:10.0.0.1"], True),
        (["11.1.2.3"], False),
        (["10.1.2.3", "119.29.0.1"], False),
        (["fe80::1%eth0"], False),
    ],
)
def test_the_address_decides_and_is_reported(monkeypatch, addresses, inside):
    resolves_to(monkeypatch, *addresses)
    place = find_place(ENDPOINT, "", NETWORKS)
    assert place.inside is inside
    assert str(place.address) in addresses
    assert str(place.address) in place.why


@pytest.mark.parametrize("setting", ["inside", "outside"])
def test_the_setting_beats_the_address(monkeypatch, setting):
    resolves_to(monkeypatch, "10.1.2.3" if setting == "outside" else "11.1.2.3")
    place = find_place(ENDPOINT, setting, NETWORKS)
    assert place.inside is (setting == "inside")
    assert "traffic" in place.why


def test_a_proxy_hides_where_the_traffic_goes(monkeypatch):
    resolves_to(monkeypatch, "10.1.2.3")
    monkeypatch.setenv("HTTPS_PROXY", "http://10.0.0.1:3128")
    place = find_place(ENDPOINT, "", NETWORKS)
    assert not place.inside
    assert "proxy" in place.why
    monkeypatch.setenv("NO_PROXY", ".myqcloud.com")
    assert find_place(ENDPOINT, "", NETWORKS).inside


def test_an_address_says_nothing_where_no_network_is_known(monkeypatch):
    resolves_to(monkeypatch, "10.1.2.3")
    glacier = find_prices("glacier", "us-east-1", {})
    assert not find_place("https://vpce.amazonaws.com", "", glacier.inside).inside


def test_a_name_without_an_address_counts_as_outside(monkeypatch):
    def fails(*_, **__):
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    assert not find_place(ENDPOINT, "", NETWORKS).inside
