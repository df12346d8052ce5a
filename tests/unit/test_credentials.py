"""The credentials file of Tencent's own tool: read as it is, never shown."""

import logging
import os
import traceback

import pytest

from casfs.config import load
from casfs.credentials import Credentials
from casfs.errors import ConfigError
from casfs.service.cas import CAS

SECRET = "Secr3t%(other)s%"
TEXT = f"""[CASCredentials]
endpoint = cas.ap-guangzhou.myqcloud.com
appid = 1250000000
secretid = AKIDofficial
secretkey = {SECRET}
"""


@pytest.fixture
def official(tmp_path):
    def written(text: str | bytes, mode: int = 0o600):
        path = tmp_path / ".cascmd_credentials"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return tmp_path

    return written


def test_it_gives_all_settings_that_it_has(official):
    home = official(TEXT)
    (official_,) = CAS.keys.list(home)
    assert official_.settings == {
        "endpoint": "cas.ap-guangzhou.myqcloud.com",
        "account": "1250000000",
    }
    assert official_.keys == Credentials("AKIDofficial", SECRET)
    assert SECRET not in repr(official_)
    found = load(environment={"CASFS_CONFIG": os.devnull}, home=home)
    assert found.endpoint == "https://cas.ap-guangzhou.myqcloud.com"
    assert found.account == "1250000000"
    assert found.credentials == Credentials("AKIDofficial", SECRET)


def test_our_own_settings_win_over_it(official):
    home = official(TEXT)
    environment = {"CASFS_CONFIG": os.devnull, "CASFS_ENDPOINT": "http://127.0.0.1:1"}
    found = load(environment=environment, home=home)
    assert found.endpoint == "http://127.0.0.1:1"
    assert found.credentials.current().access_key_id == "AKIDofficial"


def test_our_own_keys_leave_it_aside_altogether(official):
    """Its endpoint and account belong to its key, not to ours."""
    environment = {
        "CASFS_CONFIG": os.devnull,
        "CASFS_ACCESS_KEY_ID": "AKIDmine",
        "CASFS_SECRET_ACCESS_KEY": "mine",
        "CASFS_REGION": "ap-chengdu",
    }
    found = load(environment=environment, home=official(TEXT))
    assert found.endpoint == "https://cas.ap-chengdu.myqcloud.com"
    assert found.account == "-"


def test_no_file_or_an_empty_one_is_no_settings(tmp_path, official):
    assert CAS.keys.find(tmp_path, None) is None
    assert CAS.keys.find(official(""), None) is None
    assert CAS.keys.find(official("[CASCredentials]\nsecretid=\n"), None) is None


@pytest.mark.parametrize(
    "text",
    [
        f"secretkey = {SECRET}\n",
        f"[CASCredentials]\n{SECRET}\n",
        f"[CASCredentials]\nsecretkey={SECRET}\nsecretkey={SECRET}\n",
        SECRET.encode() + b"\xff\xfe",
    ],
)
def test_a_broken_file_is_named_without_its_secret(official, text):
    home = official(text)
    with pytest.raises(ConfigError) as caught:
        CAS.keys.find(home, None)
    assert ".cascmd_credentials" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o600, False)])
def test_a_file_that_others_may_read_is_warned_about(official, caplog, mode, warned):
    with caplog.at_level(logging.WARNING):
        CAS.keys.find(official(TEXT, mode), None)
    assert ("chmod 600" in caplog.text) == warned
    assert SECRET not in caplog.text


def test_a_key_is_shown_without_its_secret():
    shown = f"{Credentials('AKIDofficial', SECRET)!r} {Credentials('AKIDofficial', SECRET)}"
    assert "AKIDofficial" in shown
    assert SECRET not in shown


OAS_TEXT = f"""[OASCredentials]
host = cn-hangzhou.oas.aliyuncs.com
port = 80
accessid = OASofficial
accesskey = {SECRET}
"""


@pytest.fixture
def oas_settings(tmp_path):
    def loaded(text: str, **environment: str):
        (tmp_path / ".oascredentials").write_text(text)
        (tmp_path / ".oascredentials").chmod(0o600)
        environment = {"CASFS_CONFIG": os.devnull, "CASFS_DIALECT": "oas"} | environment
        return load(None, None, environment, tmp_path)

    return loaded


@pytest.mark.parametrize(
    ("host", "port", "endpoint"),
    [
        ("h.example", "port = 80", "http://h.example"),
        ("h.example", "port = 443", "https://h.example"),
        ("h.example", "port = 8080", "http://h.example:8080"),
        ("h.example", "", "https://h.example"),
        ("127.0.0.1", "port = 1", "http://127.0.0.1:1"),
        ("https://h.example", "port = 80", "https://h.example"),
    ],
)
def test_the_file_of_oas_gives_endpoint_port_and_key(oas_settings, host, port, endpoint):
    text = OAS_TEXT.replace("cn-hangzhou.oas.aliyuncs.com", host).replace("port = 80", port)
    found = oas_settings(text)
    assert found.endpoint == endpoint
    assert found.credentials == Credentials("OASofficial", SECRET)
    assert (found.dialect, found.account) == ("oas", "-")


@pytest.mark.parametrize("port", ["eighty", "-1", "70000", "80/x"])
def test_a_port_that_is_none_is_reported(oas_settings, port):
    with pytest.raises(ConfigError, match="endpoint"):
        oas_settings(OAS_TEXT.replace("port = 80", f"port = {port}"))


def test_the_dialect_says_which_file_is_used_not_what_is_there(official, oas_settings):
    home = official(TEXT)
    found = oas_settings(OAS_TEXT)
    assert found.credentials == Credentials("OASofficial", SECRET)
    environment = {"CASFS_CONFIG": os.devnull}
    assert load(environment=environment, home=home).credentials == Credentials(
        "AKIDofficial", SECRET
    )
    (home / ".cascmd_credentials").unlink()
    with pytest.raises(ConfigError, match=r"--dialect oas in .*\.oascredentials") as caught:
        load(environment=environment, home=home)
    assert SECRET not in str(caught.value)
    assert "OASofficial" not in str(caught.value)


def looking_again(config):
    """What looks for the key of a configuration again."""
    return config.find_key_again


@pytest.mark.parametrize(
    ("dialect", "name", "text"),
    [("cas", ".cascmd_credentials", TEXT), ("oas", ".oascredentials", OAS_TEXT)],
)
def test_a_key_can_be_looked_for_again(tmp_path, dialect, name, text):
    (tmp_path / name).write_text(text)
    environment = {"CASFS_CONFIG": os.devnull, "CASFS_DIALECT": dialect}
    find_again = looking_again(load(environment=environment, home=tmp_path))
    (tmp_path / name).write_text(text.replace("official", "replaced").replace(SECRET, "new"))
    key = find_again().current()
    assert key.access_key_id.endswith("replaced")
    assert key.secret_access_key == "new"
    (tmp_path / name).unlink()
    assert find_again() is None
    (tmp_path / name).write_text(f"{SECRET}\n")
    with pytest.raises(ConfigError) as caught:
        find_again()
    assert SECRET not in str(caught.value)


def test_a_key_of_the_configuration_can_be_looked_for_again(tmp_path):
    path = tmp_path / "config.toml"
    text = '[profiles.p]\nregion = "r"\naccess_key_id = "{}"\nsecret_access_key = "s"\n'
    path.write_text(text.format("one"))
    find_again = looking_again(load("p", environment={"CASFS_CONFIG": str(path)}, home=tmp_path))
    path.write_text(text.format("two"))
    assert find_again().current() == Credentials("two", "s")
    path.write_text("[profiles.p]\nregion = 'r'\n")
    assert find_again() is None
    path.write_text("")
    with pytest.raises(ConfigError, match="no profile 'p'"):
        find_again()


def test_a_key_of_the_environment_never_changes(tmp_path):
    keys = {"CASFS_ACCESS_KEY_ID": "one", "CASFS_SECRET_ACCESS_KEY": "s", "CASFS_REGION": "r"}
    found = load(environment={"CASFS_CONFIG": os.devnull} | keys, home=tmp_path)
    assert found.find_key_again is None
