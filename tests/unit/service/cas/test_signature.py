"""Known answers of the CAS signature, made by the official SDKs with a frozen clock."""

import pytest
from requests import Request

from casfs.credentials import Credentials
from casfs.service.cas import CasAuthorization, sign

HOST = "cas.ap-chengdu.myqcloud.com"
KEY = Credentials("AKIDEXAMPLE", "dummySecretKeyForTests0000000001")
JOB = "E-nVoA6erIw71cTwI4gY6kaYpCrV1ehUrqXCkDHNfObQSfkqk_f5KyeKcxVvo--8"
MARKER = "Kf8SJz04lhEY5rqV4afXQdDe8_Q1x9f3JppD7DoNE32Q0RaOWg5vPNQtaBYTO16G"
BIG_VAULT = "/1250000000/vaults/examplevault"

VECTORS = {
    "V1": ("GET", "/-/vaults", {"limit": "2"}, {"host": HOST},
           "7e010ef2db2ac76363c32243086904d5b0a9c621"),
    "V2": ("GET", f"{BIG_VAULT}/jobs/{JOB}/output", {},
           {"host": HOST, "range": "bytes=0-1048575"},
           "25fb7a6c227906c4f777b35cd948b2115b9d0256"),
    "V3": ("GET", "/-/vaults/Example.Vault_1/jobs",
           {"marker": MARKER, "limit": "50", "statuscode": "Succeeded", "completed": "true"},
           {"host": HOST}, "a28b3bb0089e66c7e21e39bcb284c6041dfff700"),
    "V4": ("GET", "/-/vaults", {}, {}, "599af7f58bbd0f49669b4860d26f22bbd373a539"),
    "V5": ("POST", "/-/vaults/examplevault/jobs", {}, {"host": HOST},
           "e8eef4c2723ce6a0b05027a9eb3af612b119969a"),
    "V6": ("GET", "/-/vaults",
           {"limit": "1000",
            "marker": "qcs:id/0:cas:ap-chengdu:uid/1250000000:vaults/Example Vault+1~x"},
           {"host": HOST}, "c1a8edd8254e6f4823bcb0dfa75b4e5316237995"),
    "V7": ("GET", "/-/vaults", {}, {"host": "127.0.0.1:8080"},
           "09c5c418594eb03398738102ff52f613cf91e67e"),
    "describe job": ("GET", f"{BIG_VAULT}/jobs/{JOB}", {}, {"host": HOST},
                     "4362a9af3166fecb3bf0139b7a45d6f8ee491506"),
    "output without Range": ("GET", f"{BIG_VAULT}/jobs/{JOB}/output", {}, {"host": HOST},
                             "5c5cbd163cb6c83af468ee3e27204e70276f5f93"),
    "vaults of an account": ("GET", "/1250000000/vaults", {}, {"host": HOST},
                             "814dd89d7a6fd114725f71cece3ec9e602da79df"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "parameters", "headers", "signature"), VECTORS.values(), ids=VECTORS.keys()
)
def test_known_answer(method, path, parameters, headers, signature):
    header = sign(method, path, parameters, headers, KEY, (1500000000, 1500001200))
    fields = dict(field.split("=", 1) for field in header.split("&"))
    assert fields["q-signature"] == signature
    assert fields["q-header-list"] == ";".join(sorted(headers))
    assert fields["q-url-param-list"] == ";".join(sorted(parameters))


def test_a_request_is_signed_as_it_is_sent():
    """Host, Range and the decoded query are covered; the window holds the present second."""
    request = Request(
        "GET",
        "http://127.0.0.1:8080/-/vaults?marker=a%2Fb&limit=7",
        headers={"Host": "127.0.0.1:8080", "Range": "bytes=0-1", "Accept": "*/*"},
    ).prepare()
    signed = CasAuthorization(KEY, clock=lambda: 1500000300).__call__(request)
    assert signed.headers["Authorization"] == sign(
        "GET",
        "/-/vaults",
        {"marker": "a/b", "limit": "7"},
        {"host": "127.0.0.1:8080", "range": "bytes=0-1"},
        KEY,
        (1500000000, 1500001500),
    )


def test_the_secret_is_never_shown():
    assert "dummySecret" not in repr(KEY)
    assert "dummySecret" not in sign("GET", "/", {}, {}, KEY, (0, 1))
