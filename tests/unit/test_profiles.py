"""What `casfs profiles` tells of settings and keys: what was found, where, and never a secret."""

import os
from dataclasses import asdict

import pytest

from casfs.config import load
from casfs.profiles import profiles

SECRETS = [f"s3cret-{number}%" for number in range(6)]
FILE = f"""
[profiles.default]
region = "ap-chengdu"
access_key_id = "AKIDfile"
secret_access_key = "{SECRETS[0]}"

[profiles.night]
dialect = "glacier"
region = "eu-west-1"
aws_profile = "night"

[profiles.odd]
dialect = "s4"
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with every file that there is; the one of OAS is not closed to others."""
    files = {
        "config.toml": FILE,
        ".cascmd_credentials": "[CASCredentials]\nendpoint = cas.example\nappid = 7\n"
        f"secretid = AKIDcas\nsecretkey = {SECRETS[1]}\n",
        ".oascredentials": "[OASCredentials]\nhost = oas.example\nport = 8080\naccessid = IDoas\n"
        f"accesskey = {SECRETS[2]}\n",
        "aws-keys": "[default]\naws_access_key_id = AKIAone\n"
        f"aws_secret_access_key = {SECRETS[3]}\n"
        f"[two]\naws_access_key_id = AKIAtwo\naws_secret_access_key = {SECRETS[4]}\n",
        "aws-config": "[default]\nregion = eu-west-1\n[profile role]\nrole_arn = arn:x\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644 if name == ".oascredentials" else 0o600)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-keys"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    return tmp_path


@pytest.fixture
def found(home):
    """Find everything, as rows of (use, dialect, endpoint, key, file name, note)."""

    def rows(**environment):
        environment = {"CASFS_CONFIG": str(home / "config.toml"), **environment}
        listed = profiles(environment, home)
        assert not [secret for secret in SECRETS if secret in str([asdict(p) for p in listed])]
        return [
            (p.use, p.dialect, p.endpoint, p.access_key_id, p.source.rpartition("/")[2], p.note)
            for p in listed
        ]

    return rows


def test_everything_is_listed_with_its_place_and_how_to_use_it(found, home):
    no_such_profile = (
        "the AWS configuration: The config profile (night) could not be found; "
        "correct ~/.aws or AWS_PROFILE"
    )
    exposed = f"readable by others; run: chmod 600 {home / '.oascredentials'}"
    assert found() == [
        ("", "cas", "https://cas.ap-chengdu.myqcloud.com", "AKIDfile", "config.toml", ""),
        ("--profile night", "glacier", "", "", "config.toml", no_such_profile),
        ("--profile odd", "s4", "", "", "config.toml", ""),
        ("", "cas", "https://cas.example", "AKIDcas", ".cascmd_credentials", ""),
        ("--dialect oas", "oas", "http://oas.example:8080", "IDoas", ".oascredentials", exposed),
        ("--dialect glacier", "glacier", "https://glacier.eu-west-1.amazonaws.com", "AKIAone",
         "aws-keys", ""),
        ("CASFS_AWS_PROFILE=two --dialect glacier", "glacier", "", "AKIAtwo", "aws-keys", ""),
        ("CASFS_AWS_PROFILE=role --dialect glacier", "glacier", "", "", "aws-config", ""),
    ]  # fmt: skip


def test_the_environments_are_listed(found, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAenv")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS[5])
    ours = {"CASFS_ACCESS_KEY_ID": "AKIDenv", "CASFS_SECRET_ACCESS_KEY": SECRETS[5]}
    listed = found(**ours, CASFS_ENDPOINT="http://127.0.0.1:9")
    assert ("", "cas", "http://127.0.0.1:9", "AKIDenv", "environment (CASFS_*)", "") in listed
    assert [row for row in listed if row[3:5] == ("AKIAenv", "environment (AWS_*)")]


@pytest.mark.parametrize(
    "environment",
    [{}, {"AWS_ACCESS_KEY_ID": "AKIAenv"}, {"AWS_PROFILE": "two"}, {"AWS_DEFAULT_PROFILE": "two"}],
)
def test_what_is_reported_of_the_use_of_an_aws_key_gives_that_key(
    found, home, monkeypatch, environment
):
    """Variables of Amazon's would not do: keys in the environment come before `AWS_PROFILE`."""
    for name, value in {"AWS_SECRET_ACCESS_KEY": SECRETS[5], **environment}.items():
        monkeypatch.setenv(name, value)
    told = [(use, key) for use, dialect, _, key, *_ in found() if key.startswith("AKIA")]
    assert len(told) == (3 if "AWS_ACCESS_KEY_ID" in environment else 2)
    for use, key in told:
        settings = dict(word.split("=") for word in use.split() if "=" in word)
        ours = {"CASFS_CONFIG": os.devnull, "CASFS_REGION": "r", "CASFS_DIALECT": "glacier"}
        assert load(None, None, ours | settings, home).credentials.identity == key


@pytest.mark.parametrize("name", ["config.toml", ".cascmd_credentials", "aws-keys"])
def test_a_broken_file_is_a_note_and_hides_nothing_else(found, home, name):
    before = {row[4] for row in found()}
    (home / name).write_text(f"[default\nsecret = {SECRETS[0]}\n")
    listed = found()
    assert [row for row in listed if "correct" in row[5]]
    assert before - {row[4] for row in listed} <= {name, "aws-config"}


def test_nothing_is_an_empty_list(tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    assert profiles({"CASFS_CONFIG": os.devnull}, tmp_path) == []
