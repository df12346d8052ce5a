"""Requests go where every tool of Amazon would send them, whatever key signs them."""

import os
import ssl
import subprocess

import pytest
from botocore.session import Session

from casfs.client import Client
from casfs.config import load
from casfs.errors import ConfigError
from casfs.profiles import profiles
from casfs.service.glacier import GLACIER
from tests.support.server import Answer, in_turn, serving

OWN = {
    "CASFS_ACCESS_KEY_ID": "AKIDours",
    "CASFS_SECRET_ACCESS_KEY": "ours",
    "CASFS_REGION": "us-east-1",
}
STAND_IN = "http://127.0.0.1:4566"
IN_CONFIG = [
    f"[default]\nendpoint_url = {STAND_IN}\n",
    f"""[default]
services = local
endpoint_url = http://127.0.0.1:1
[services local]
glacier =
  endpoint_url = {STAND_IN}
""",
    f"""[default]
services = local
endpoint_url = {STAND_IN}
[services local]
s3 =
  endpoint_url = http://127.0.0.1:1
""",
]


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Amazon's configuration file; nothing of this machine's own counts."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CASFS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    path = tmp_path / "aws-config"
    path.write_text("[default]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    keys = tmp_path / "aws-keys"
    keys.write_text("[default]\naws_access_key_id = AKIAaws\naws_secret_access_key = s\n")
    keys.chmod(0o600)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    return path


def loaded(config, **environment):
    settings = {"CASFS_DIALECT": "glacier", "CASFS_CACHE_DIR": str(config.parent / "cache")}
    return load(None, None, settings | environment, config.parent)


def amazons(region, **options):
    """The endpoint that botocore's client asks."""
    options |= {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client = Session().create_client("glacier", region_name=region, **options)
    return client.meta.endpoint_url


PARTITIONS = ["cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1", "us-iso-east-1"]
PARTITIONS += ["us-isob-east-1", "il-central-1", "mx-central-1"]


@pytest.mark.parametrize("region", PARTITIONS)
def test_every_partition_has_the_endpoint_of_amazons_tools(config, region):
    assert loaded(config, **OWN | {"CASFS_REGION": region}).endpoint == amazons(region)


def test_every_region_that_casfs_knows_has_an_endpoint(config):
    found = {region: GLACIER.endpoint_in(region, None) for region in GLACIER.regions}
    assert len(set(found.values())) == len(GLACIER.regions)
    assert all(region in url for region, url in found.items())


@pytest.mark.parametrize("variable", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
@pytest.mark.parametrize("place", ["environment", "file"])
def test_fips_and_dual_stack_endpoints_are_chosen_as_for_amazons_tools(
    config, monkeypatch, variable, place
):
    if place == "environment":
        monkeypatch.setenv(variable, "true")
    else:
        name = variable.removeprefix("AWS_").lower()
        config.write_text(f"[default]\n{name} = true\n")
    assert loaded(config, **OWN).endpoint == amazons("us-east-1")
    assert loaded(config, **OWN).endpoint != "https://glacier.us-east-1.amazonaws.com"


@pytest.mark.parametrize("keys", [OWN, {}], ids=["our key", "Amazon's key"])
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_GLACIER"])
def test_a_stand_in_of_the_environment_is_asked_with_every_key(config, monkeypatch, keys, name):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv(name, f"{STAND_IN}/")
    assert loaded(config, **keys).endpoint == STAND_IN
    assert loaded(config, **keys, CASFS_ENDPOINT="https://mine.example").endpoint == (
        "https://mine.example"
    )
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert loaded(config, **keys).endpoint == amazons(keys.get("CASFS_REGION", "eu-west-1"))


@pytest.mark.parametrize("keys", [OWN, {}], ids=["our key", "Amazon's key"])
@pytest.mark.parametrize("text", IN_CONFIG)
def test_a_stand_in_of_the_file_is_asked_with_every_key(config, keys, text):
    config.write_text(text)
    settings = {"CASFS_REGION": "us-east-1"} | keys
    assert loaded(config, **settings).endpoint == STAND_IN == amazons("us-east-1")
    config.write_text(text.replace("[default]\n", "[default]\nregion=eu-west-1\n"))
    assert loaded(config, **keys).endpoint == STAND_IN
    ignoring = "[default]\nignore_configured_endpoint_urls = true\n"
    config.write_text(text.replace("[default]\n", ignoring))
    assert loaded(config, **settings).endpoint == "https://glacier.us-east-1.amazonaws.com"


def test_the_profile_decides_which_stand_in_is_asked(config, monkeypatch):
    config.write_text(f"[default]\nregion = r\n[profile local]\nendpoint_url = {STAND_IN}\n")
    assert loaded(config, **OWN, CASFS_AWS_PROFILE="local").endpoint == STAND_IN
    monkeypatch.setenv("AWS_PROFILE", "local")
    assert loaded(config, **OWN).endpoint == STAND_IN


@pytest.mark.parametrize(
    "text", ["[default]\nservices = missing\n", "[default\nendpoint_url = http://127.0.0.1:1\n"]
)
def test_nobody_is_asked_where_amazons_tools_would_fail(config, text):
    config.write_text(text)
    with pytest.raises(ConfigError, match="AWS configuration"):
        loaded(config, **OWN)
    # Other dialects do not look there.
    assert loaded(config, **OWN, CASFS_DIALECT="cas", CASFS_ENDPOINT=STAND_IN).endpoint == STAND_IN


def test_profiles_are_listed_with_the_stand_in_that_is_asked(config):
    config.write_text(
        f"[default]\nregion = eu-west-1\nendpoint_url = {STAND_IN}\n[profile other]\nregion = r\n"
    )
    found = profiles({"CASFS_DIALECT": "glacier", **OWN}, config.parent)
    endpoints = {(one.access_key_id, one.use): one.endpoint for one in found}
    assert endpoints["AKIDours", ""] == STAND_IN
    assert endpoints["AKIAaws", "--dialect glacier"] == STAND_IN
    assert endpoints["", "CASFS_AWS_PROFILE=other --dialect glacier"] == (
        "https://glacier.r.amazonaws.com"
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", str(files[0]), "-keyout", str(files[1])),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return files


@pytest.mark.parametrize("place", ["file", "relative", "environment"])
def test_certificates_of_amazons_tools_are_trusted(config, monkeypatch, certificate, place):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(config.parent / "missing"))
    if place == "environment":
        config.write_text("[default]\nca_bundle = /missing\n")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
    elif place == "relative":
        monkeypatch.chdir(certificate[0].parent)
        config.write_text("[default]\nca_bundle = certificate.pem\n")
    else:
        config.write_text(f"[default]\nca_bundle = {certificate[0]}\n")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    answer = Answer(body=b'{"Marker": null, "VaultList": []}')
    with serving(in_turn(answer), tls) as server:
        found = loaded(config, **OWN, CASFS_ENDPOINT=server.url)
        # As a mount does.
        monkeypatch.chdir("/")
        with Client(found) as client:
            assert list(client.vaults()) == []


def test_a_bundle_that_is_not_there_is_named(config):
    config.write_text("[default]\nca_bundle = /missing/ca.pem\n")
    with (
        Client(loaded(config, **OWN, CASFS_ENDPOINT="https://127.0.0.1:1")) as client,
        pytest.raises(ConfigError, match=r"ca_bundle of the AWS .* names /missing/ca\.pem"),
    ):
        client.vaults()
