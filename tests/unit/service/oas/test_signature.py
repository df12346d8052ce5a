"""Known answers of the OAS signature, made by the official SDK with a frozen clock."""

import pytest
from requests import Request

from casfs.credentials import Credentials
from casfs.service.oas import OasAuthorization, sign

KEY = Credentials("TESTACCESSKEYID", "TESTACCESSKEYSECRET")
DATE = "Tue, 25 Mar 2014 12:00:00 GMT"
SECONDS = 1395748800
VAULT = "/vaults/79D2D8F33B7C287037286185863B6823"
JOB = f"{VAULT}/jobs/0123456789ABCDEF0123456789ABCDEF"
DOCUMENTED = "/vaults/92883B3F278B8EA15CC99EA8763EA129/jobs/0123456789ABCDEF0123456789ABCDEF"
ETAG = "5D41402ABC4B2A76B9719D911017C592"
UPLOAD = {
    "x-oas-archive-description": "my desc",
    "x-oas-content-etag": ETAG,
    "x-oas-tree-etag": ETAG,
}
SDK = {"x-oas-version": "0.2.5"}
DOCS = {"x-oas-version": "2014-01-01"}

VECTORS = {
    "1": ("GET", "/vaults", [], SDK, "E8ixNpKAp+Okh3gUDAraiPmbLYE="),
    "2": ("GET", "/vaults", [("marker", "C83DE8B245184E28AEED6CF1CED915F2"), ("limit", "1")], SDK,
          "ZZtb9smyTYU0kRBB3XjBRQTM05s="),
    "3": ("GET", "/vaults", [("marker", ""), ("limit", "10")], SDK,
          "QSn2db9OnIu+8zT0HeSn5YFT1LE="),
    "4": ("GET", "/vaults", [("marker", "a b/c=d"), ("limit", "2")], SDK,
          "qoaOEx0xYeA85LaBiC+MC8rBneo="),
    "5": ("GET", JOB, [], SDK, "HXs0uPfgyPtQRKUr63QkkF0Cz+M="),
    "6": ("GET", f"{JOB}/output", [], SDK, "MyA2yP1g8TnGEYyORiOYxdOBER0="),
    "6, ranged": ("GET", f"{JOB}/output", [], SDK | {"Range": "bytes=0-1048575"},
                  "MyA2yP1g8TnGEYyORiOYxdOBER0="),
    "7": ("POST", f"{VAULT}/jobs", [], SDK, "kZuZJHsaNrnt5z4dDLPP/P8WwGA="),
    "8": ("POST", f"{VAULT}/archives", [], SDK | UPLOAD, "M+XnEfgvQVIZBlICKvn+rJzYa+A="),
    "8b": ("POST", f"{VAULT}/archives", [], UPLOAD, "RW1G3DvAZt4q+K9udzQeUtuKO1A="),
    "9": ("GET", "/vaults", [], DOCS, "qbFGFRlxG4W3ocB6/QYsEMI5ZOs="),
    "10": ("GET", f"{DOCUMENTED}/output", [], DOCS, "xft4S/ew0EdHYlKUSnO5Nxp2CEs="),
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "parameters", "headers", "signature"), VECTORS.values(), ids=VECTORS.keys()
)
def test_known_answer(method, path, parameters, headers, signature):
    found = sign(method, path, parameters, {"Date": DATE} | headers, KEY)
    assert found == f"OAS TESTACCESSKEYID:{signature}"


def test_only_what_counts_is_signed():
    """Other parameters, other headers, blanks around values and the case of names do not."""
    plain = sign("GET", "/vaults", [], {"Date": DATE} | SDK, KEY)
    odd = {"DATE": f" {DATE} ", "X-OAS-Version": " 0.2.5 ", "Host": "h", "Range": "bytes=0-1"}
    assert sign("GET", "/vaults", [("prefix", "x")], odd, KEY) == plain
    assert sign("GET", "/vaults", [("limit", "1")], {"Date": DATE} | SDK, KEY) != plain


def test_a_request_is_dated_and_signed_as_it_is_sent():
    request = Request(
        "GET", "http://127.0.0.1:8080/vaults?marker=a%20b%2Fc%3Dd&limit=2", headers={"Host": "x"}
    ).prepare()
    signed = OasAuthorization(KEY, clock=lambda: SECONDS)(request)
    assert signed.headers["Date"] == DATE
    headers = {"Date": DATE, "x-oas-version": signed.headers["x-oas-version"]}
    parameters = [("marker", "a b/c=d"), ("limit", "2")]
    assert signed.headers["Authorization"] == sign("GET", "/vaults", parameters, headers, KEY)
