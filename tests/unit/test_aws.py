"""Keys of Amazon's chain: which one counts, that temporary ones renew, and what is told of them."""

import json
import logging
import os
import subprocess
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from casfs.aws import _account
from casfs.config import load
from casfs.credentials import Credentials, owner
from casfs.errors import ConfigError, DeniedError

SECRET, OTHER_SECRET = "Secr3t%(x)s/1", "Secr3t/2"
KEYS = f"""[default]
aws_access_key_id = AKIAdefault
aws_secret_access_key = {SECRET}
[night]
aws_access_key_id = AKIAnight
aws_secret_access_key = {OTHER_SECRET}
aws_session_token = token-2
"""
CONFIG = """[default]
region = eu-west-1
[profile night]
region = us-west-2
[profile day]
region = us-east-2
"""
ROLE, OTHER_ROLE = (f"arn:aws:iam::{account * 12}:role/restore" for account in "12")
SIGN_ON = """[default]
region = r
sso_account_id = {}
sso_role_name = r
sso_region = r
sso_start_url = https://sso.invalid
"""
ROLES = [
    ("[default]\nregion = r\nrole_arn = {}\nsource_profile = keys\n", ROLE, OTHER_ROLE),
    ("[default]\nregion = r\nrole_arn = {}\nweb_identity_token_file = t\n", ROLE, OTHER_ROLE),
    (SIGN_ON, "111111111111", "222222222222"),
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with Amazon's two files; nothing of this machine's own counts."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, variable, text in (
        ("credentials", "AWS_SHARED_CREDENTIALS_FILE", KEYS),
        ("config", "AWS_CONFIG_FILE", CONFIG),
    ):
        path = tmp_path / ".aws" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.setenv(variable, str(path))
    return tmp_path


def loaded(home, text="", **environment):
    (home / "config.toml").write_text(text)
    environment = {"CASFS_CONFIG": str(home / "config.toml"), "CASFS_DIALECT": "glacier"} | (
        environment
    )
    return load(None, None, environment, home)


def test_the_default_profile_gives_key_and_region(home):
    found = loaded(home)
    assert found.credentials.current() == Credentials("AKIAdefault", SECRET)
    assert (found.region, found.endpoint) == (
        "eu-west-1",
        "https://glacier.eu-west-1.amazonaws.com",
    )


@pytest.mark.parametrize("by", ["AWS_PROFILE", "file", "environment"])
def test_a_profile_is_chosen_as_people_do(home, monkeypatch, by):
    text, more = "", {}
    if by == "AWS_PROFILE":
        monkeypatch.setenv("AWS_PROFILE", "night")
    elif by == "file":
        text = "[profiles.default]\naws_profile = 'night'\n"
    else:
        more = {"CASFS_AWS_PROFILE": "night"}
    found = loaded(home, text, **more)
    assert found.credentials.current() == Credentials("AKIAnight", OTHER_SECRET, "token-2")
    assert found.region == "us-west-2"


def test_the_environment_of_aws_comes_before_its_files(home, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAenv")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-environment")
    found = loaded(home)
    assert found.credentials.current() == Credentials("AKIAenv", "of-environment")
    # What is cached of one key's account is not another's, wherever the key comes from.
    assert found.credentials.identity == "AKIAenv"


def test_our_own_settings_come_before_those_of_aws(home):
    ours = {"CASFS_ACCESS_KEY_ID": "AKIDours", "CASFS_SECRET_ACCESS_KEY": "ours"}
    found = loaded(home, CASFS_REGION="ap-south-1", **ours)
    assert found.credentials.current() == Credentials("AKIDours", "ours")
    assert loaded(home, CASFS_REGION="ap-south-1").region == "ap-south-1"
    with pytest.raises(ConfigError, match="region"):
        loaded(home, **ours)


def test_requests_are_signed_for_a_region_so_there_must_be_one(home):
    (home / ".aws" / "config").write_text("")
    with pytest.raises(ConfigError, match="signed for one; give --region"):
        loaded(home, CASFS_ENDPOINT="http://127.0.0.1:1")


def test_no_key_anywhere_is_reported_with_where_to_put_one(home):
    (home / ".aws" / "credentials").write_text("")
    with pytest.raises(ConfigError, match="no credentials; set CASFS_ACCESS_KEY_ID"):
        loaded(home)


@pytest.mark.parametrize(
    "text",
    [f"[default\naws_secret_access_key = {SECRET}\n", f"aws_secret_access_key = {SECRET}\n"],
)
def test_a_broken_file_is_reported_without_its_secret(home, text):
    (home / ".aws" / "credentials").write_text(text)
    with pytest.raises(ConfigError, match=r"\.aws") as caught:
        loaded(home)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_profile_that_is_not_there_is_named(home):
    with pytest.raises(ConfigError, match="nope"):
        loaded(home, CASFS_AWS_PROFILE="nope")


def test_a_file_that_others_may_read_is_warned_about(home, caplog):
    (home / ".aws" / "credentials").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        loaded(home)
    assert "chmod 600" in caplog.text
    assert SECRET not in caplog.text


EXPOSED = [
    ("config", "[default]\nregion = r\naws_access_key_id = A\naws_secret_access_key = {}\n", ""),
    ("credentials", ROLES[0][0].format(ROLE), KEYS.replace("[default]", "[keys]")),
    (
        "credentials",
        ROLES[0][0].format(ROLE) + f"[profile keys]\nrole_arn = {ROLE}\nsource_profile = night\n",
        KEYS,
    ),
]


@pytest.mark.parametrize(("exposed", "config", "credentials"), EXPOSED)
def test_every_file_that_a_key_comes_from_is_warned_about(
    home, caplog, exposed, config, credentials
):
    """Also where the key is in the other file, or is what a role is assumed with."""
    (home / ".aws" / "config").write_text(config.replace("{}", SECRET))
    (home / ".aws" / "credentials").write_text(credentials)
    (home / ".aws" / exposed).chmod(0o644)
    with caplog.at_level(logging.WARNING):
        loaded(home)
    assert caplog.text.count(f"chmod 600 {home / '.aws' / exposed}") == 1
    assert SECRET not in caplog.text


@pytest.mark.parametrize("source", ["environment", "other profile"])
def test_a_file_that_the_key_does_not_come_from_is_not_warned_about(
    home, monkeypatch, caplog, source
):
    (home / ".aws" / "credentials").chmod(0o644)
    (home / ".aws" / "config").write_text(
        f"[profile own]\nregion = r\naws_access_key_id = A\naws_secret_access_key = {SECRET}\n"
    )
    if source == "environment":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAenv")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OTHER_SECRET)
    else:
        monkeypatch.setenv("AWS_PROFILE", "own")
    with caplog.at_level(logging.WARNING):
        loaded(home, CASFS_REGION="r")
    assert "chmod" not in caplog.text


def asked_of_a_program(home, tmp_path, monkeypatch):
    """Configuration whose key a program tells, which is the only kind that needs no network."""
    (home / ".aws" / "credentials").write_text("")
    answer = tmp_path / "answer.json"
    program = f"{sys.executable} -c \"print(open('{answer}').read())\""
    (home / ".aws" / "config").write_text(
        f"[default]\nregion = r\ncredential_process = {program}\n"
    )
    return answer


def key(name: str, expiry: str) -> str:
    facts = {"Version": 1, "AccessKeyId": name, "SecretAccessKey": SECRET, "SessionToken": "t"}
    return json.dumps(facts | {"Expiration": expiry})


def test_a_temporary_key_renews_itself(home, tmp_path, monkeypatch):
    answer = asked_of_a_program(home, tmp_path, monkeypatch)
    answer.write_text(key("AKIAfirst", "2999-01-01T00:00:00Z"))
    found = loaded(home)
    assert found.credentials.current().access_key_id == "AKIAfirst"
    assert SECRET not in repr(found)
    before = found.credentials.identity
    # It counts as run out from now on; the next request gets another one.
    found.credentials._credentials._expiry_time = found.credentials._credentials._time_fetcher()
    answer.write_text(key("AKIAsecond", "2999-01-01T00:00:00Z"))
    assert found.credentials.current().access_key_id == "AKIAsecond"
    # It is still whose it was: what is cached is found again.
    assert found.credentials.identity == before


def test_temporary_keys_of_a_program_are_distinguished(home, tmp_path, monkeypatch):
    answer = asked_of_a_program(home, tmp_path, monkeypatch)
    answer.write_text(key("AKIAone", "2999-01-01T00:00:00Z"))
    one = loaded(home)
    answer.write_text(key("AKIAother", "2999-01-01T00:00:00Z"))
    assert owner("-", one.credentials) != owner("-", loaded(home).credentials)


@pytest.mark.parametrize("expiry", ["2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"])
def test_temporary_keys_of_the_environment_are_distinguished(home, monkeypatch, expiry):
    """As of tools that set AWS_CREDENTIAL_EXPIRATION; the second one's may have run out."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OTHER_SECRET)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", expiry)
    owners = set()
    for name in ("ASIAone", "ASIAother"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
        owners.add(owner("-", loaded(home).credentials))
    assert len(owners) == 2


@pytest.mark.parametrize(("text", "one", "other"), ROLES)
def test_a_role_is_known_by_its_name_without_asking(home, text, one, other):
    """So what is cached is found again whichever key it is given, and is never another's."""
    (home / ".aws" / "credentials").write_text(KEYS.replace("[default]", "[keys]"))
    owners = []
    for role in (one, other, one):
        (home / ".aws" / "config").write_text(text.format(role))
        owners.append(owner("-", loaded(home).credentials))
    assert owners[0] == owners[2] != owners[1]


def test_a_role_of_the_environment_is_known_by_its_name(home, monkeypatch):
    (home / ".aws" / "credentials").write_text("")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))
    owners = []
    for role in (ROLE, OTHER_ROLE, ROLE):
        monkeypatch.setenv("AWS_ROLE_ARN", role)
        owners.append(owner("-", loaded(home).credentials))
    assert owners[0] == owners[2] != owners[1]


def refused(caplog, ask):
    """Ask for a key that is not to be had: the error, after looking for what must not be told."""
    with caplog.at_level(logging.INFO), pytest.raises(DeniedError, match="sign in again") as caught:
        ask()
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert SECRET not in told
    assert OTHER_SECRET not in told
    # One traceback at most is the error's own; the log of botocore has none.
    assert "Traceback" not in caplog.text
    return str(caught.value)


NO_KEYS = ["no JSON", SECRET, "[]", "{}", '{"Version": 1}', key("AKIA", "2020-01-01T00:00:00Z")]


@pytest.mark.parametrize("said", [None, *NO_KEYS, key("AKIA", "never")])
def test_a_program_that_states_no_key_is_a_refusal(home, tmp_path, monkeypatch, caplog, said):
    answer = asked_of_a_program(home, tmp_path, monkeypatch)
    if said is not None:
        answer.write_text(said)
    refused(caplog, lambda: loaded(home))


def test_what_a_program_says_when_it_fails_is_kept_to_itself(home, caplog):
    (home / ".aws" / "credentials").write_text("")
    fail = f"{sys.executable} -c \"import sys; sys.exit('{SECRET}')\""
    (home / ".aws" / "config").write_text(f"[default]\nregion = r\ncredential_process = {fail}\n")
    refused(caplog, lambda: loaded(home))


@pytest.mark.parametrize("said", [None, *NO_KEYS])
def test_a_key_that_cannot_be_renewed_is_a_refusal(home, tmp_path, monkeypatch, caplog, said):
    answer = asked_of_a_program(home, tmp_path, monkeypatch)
    answer.write_text(key("AKIAfirst", "2999-01-01T00:00:00Z"))
    found = loaded(home)
    found.credentials._credentials._expiry_time = found.credentials._credentials._time_fetcher()
    if said is None:
        answer.unlink()
    else:
        answer.write_text(said)
    refused(caplog, found.credentials.current)


def test_a_key_of_the_environment_that_has_run_out_is_a_refusal(home, monkeypatch, caplog):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAold")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
    assert "env" in refused(caplog, loaded(home).credentials.current)


def test_a_role_that_is_refused_is_a_refusal(home, monkeypatch, caplog):
    denied = b"""<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>
        <Message>not yours</Message></Error></ErrorResponse>"""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(403)
            self.send_header("Content-Length", str(len(denied)))
            self.end_headers()
            self.wfile.write(denied)

        def log_message(self, *arguments):
            pass

    (home / ".aws" / "credentials").write_text(KEYS.replace("[default]", "[keys]"))
    (home / ".aws" / "config").write_text(ROLES[0][0].format(ROLE))
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert "AccessDenied" in refused(caplog, loaded(home).credentials.current)
        finally:
            server.shutdown()
            thread.join()


def test_botocore_is_loaded_for_this_dialect_only(home):

    command = "import sys, casfs.cli.main; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], timeout=60).returncode == 0


def test_a_role_is_assumed_with_the_key_that_is_there_now(home):
    """What botocore remembers is the key before, with which it asks in vain."""
    (home / ".aws" / "credentials").write_text(KEYS.replace("[default]", "[keys]"))
    (home / ".aws" / "config").write_text(ROLES[0][0].format(ROLE))
    find_again = vars(loaded(home))["find_key_again"]
    (home / ".aws" / "credentials").write_text(KEYS.replace("[default]", "[keys]"))
    assert find_again().identity == ROLE
    (home / ".aws" / "config").write_text(ROLES[0][0].format(OTHER_ROLE))
    with pytest.raises(ConfigError, match="another account"):
        find_again()


@pytest.mark.parametrize(
    ("identity", "account"),
    [
        # As `aws sts get-access-key-info` says of an identifier that was published for examples.
        ("ASIAQNZGKIQY56JQ7WML", "029608264753"),
        (ROLE, "1" * 12),
        ("arn:aws-cn:iam::222222222222:role/a/b", "2" * 12),
        ("333333333333", "3" * 12),
        ("AKIAIOSFODNN7EXAMPLE", None),
        ("AKIAdefault", None),
        ("", None),
    ],
)
def test_whose_a_key_is_stands_in_its_identifier(identity, account):
    assert _account(identity) == account


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "eu-central-1", "il-central-1"])
def test_a_region_has_the_endpoint_that_amazons_tools_ask(home, region):
    from botocore.session import Session

    client = Session().create_client("glacier", region_name=region)
    assert load(None, {"dialect": "glacier", "region": region}).endpoint == client.meta.endpoint_url


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_GLACIER"])
def test_the_endpoint_of_amazons_tools_is_asked(home, monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:4566/")
    assert load(None, {"dialect": "glacier"}).endpoint == "http://127.0.0.1:4566"
    mine = {"dialect": "glacier", "endpoint": "https://mine.example"}
    assert load(None, mine).endpoint == "https://mine.example"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert load(None, {"dialect": "glacier"}).endpoint == "https://glacier.eu-west-1.amazonaws.com"


def test_the_endpoint_of_a_profile_is_asked(home):
    (home / ".aws" / "config").write_text(
        "[default]\nregion = eu-west-1\nservices = local\n"
        "[services local]\nglacier =\n  endpoint_url = http://127.0.0.1:4567\n"
    )
    assert load(None, {"dialect": "glacier"}).endpoint == "http://127.0.0.1:4567"
