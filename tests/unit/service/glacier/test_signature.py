"""The signature of Glacier: the guide's known answer, and botocore as it signs for itself."""

from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as AwsCredentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests import PreparedRequest, Request

from casfs.credentials import Credentials
from casfs.service.glacier import GlacierAuthorization

KEY = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NAMES = st.from_regex(r"\A[A-Za-z0-9_-]{1,20}\Z")


@pytest.fixture
def clock(monkeypatch):
    """The moment of the guide's example."""
    moment = datetime(2012, 5, 25, 0, 24, 53, tzinfo=UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)


def signed(method: str, url: str, host: str, key: Credentials = KEY, **more) -> PreparedRequest:
    request = Request(method, url, headers={"Host": host, **more}).prepare()
    return GlacierAuthorization(key, "us-east-1")(request)


def test_known_answer_of_the_guide(clock):
    host = "glacier.us-east-1.amazonaws.com"
    request = signed("PUT", f"https://{host}/-/vaults/examplevault", host)
    assert request.headers["x-amz-date"] == "20120525T002453Z"
    assert request.headers["x-amz-glacier-version"] == "2012-06-01"
    assert request.headers["Authorization"] == (
        "AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20120525/us-east-1/glacier/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-glacier-version, "
        "Signature=3ce5b2f2fffac9262b4da9256f8d086b4aaf42eba5f111c21681a65a127b7c2a"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES, NAMES, st.text("ab/:=+ %ü", max_size=8), st.sampled_from(["h", "127.0.0.1:8080"]))
def test_it_signs_as_botocore_does_for_itself(clock, vault, job, marker, host):
    request = Request(
        "GET", f"http://{host}/-/vaults/{vault}/jobs/{job}", params={"marker": marker}
    )
    url = str(request.prepare().url)
    theirs = AWSRequest("GET", url, {"x-amz-glacier-version": "2012-06-01"})
    key = AwsCredentials(KEY.access_key_id, KEY.secret_access_key)
    botocore.auth.SigV4Auth(key, "glacier", "us-east-1").add_auth(theirs)
    ours = signed("GET", url, host, Range="bytes=0-1048575")
    assert ours.headers["Authorization"] == theirs.headers["Authorization"]


def test_a_temporary_key_sends_its_token(clock):
    key = Credentials(KEY.access_key_id, KEY.secret_access_key, "token-1")
    request = signed("GET", "http://h/-/vaults", "h", key)
    assert request.headers["x-amz-security-token"] == "token-1"
    assert "x-amz-security-token" in str(request.headers["Authorization"])
    assert "token-1" not in repr(key)
    assert "EXAMPLEKEY" not in repr(key)
