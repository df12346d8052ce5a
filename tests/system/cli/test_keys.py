"""Keys that are none are refused when they are loaded: named by their place, and never shown."""

import json
import os

import pytest

from tests.support.emulator.running import KEY_ID, KEYS, SECRET
from tests.system.cli.said import one_line

HEAD, TAIL = "s3cr3tHEAD", "s3cr3tTAIL"
FLAWS = {
    "line break": "\n",
    "return": "\r",
    "escape": "\x1b[2J",
    "NEL": "\x85",
    "line separator": "\u2028",
    "no UTF-8": os.fsdecode(b"\xff\xfe"),
    "NUL-like": "\x01",
    "direction": "\u202e",
}
ID_FLAWS = FLAWS | {"blank": " ", "umlaut": "ü", "Chinese": "文"}


def refused(done, *names):
    text = one_line(done)
    assert (done.returncode, done.stdout) == (2, b"")
    assert HEAD not in text
    assert TAIL not in text
    assert text.strip().isprintable()
    for name in names:
        assert name in text
    return text


@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS)
def test_a_secret_of_the_environment(casfs, flaw):
    done = casfs("vaults", CASFS_SECRET_ACCESS_KEY=f"{HEAD}{flaw}{TAIL}")
    refused(done, "CASFS_SECRET_ACCESS_KEY contains")


@pytest.mark.parametrize("flaw", ID_FLAWS.values(), ids=ID_FLAWS)
def test_an_identifier_of_the_environment(casfs, flaw):
    refused(
        casfs("vaults", CASFS_ACCESS_KEY_ID=f"{HEAD}{flaw}{TAIL}"), "CASFS_ACCESS_KEY_ID contains"
    )


def aws(**parts):
    """The environment of somebody with keys of Amazon's alone, which are not these."""
    return dict.fromkeys(KEYS) | {
        "CASFS_DIALECT": "glacier",
        "CASFS_REGION": "r",
        "AWS_EC2_METADATA_DISABLED": "true",
        **parts,
    }


@pytest.mark.parametrize("flaw", ID_FLAWS.values(), ids=ID_FLAWS)
@pytest.mark.parametrize("part", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_the_content_of_a_header_of_amazons(casfs, part, flaw):
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": SECRET}
    done = casfs("vaults", **aws(**keys | {part: f"{HEAD}{flaw}{TAIL}"}))
    refused(done, f"{part} contains")


@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS)
def test_a_secret_of_amazons(casfs, flaw):
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": f"{HEAD}{flaw}{TAIL}"}
    refused(casfs("vaults", **aws(**keys)), "AWS_SECRET_ACCESS_KEY contains")


AWS_FILE = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = {}\n"
FILES = {
    "secret_access_key of [profiles.default] in": (
        "config.toml",
        f'[profiles.default]\naccess_key_id="AKID"\nsecret_access_key = "{HEAD}\\n{TAIL}"\n',
    ),
    "access_key_id of [profiles.default] in": (
        "config.toml",
        f'[profiles.default]\nsecret_access_key="x"\naccess_key_id = "{HEAD} {TAIL}"\n',
    ),
    "secretkey of [CASCredentials] in": (
        ".cascmd_credentials",
        f"[CASCredentials]\nsecretid = AKID\nsecretkey = {HEAD}\n  {TAIL}\n",
    ),
    "secretid of [CASCredentials] in": (
        ".cascmd_credentials",
        f"[CASCredentials]\nsecretid = {HEAD} {TAIL}\nsecretkey = x\n",
    ),
    "accesskey of [OASCredentials] in": (
        ".oascredentials",
        f"[OASCredentials]\naccessid = AKID\naccesskey = {HEAD}\x1b{TAIL}\n",
    ),
    "aws_session_token of the AWS keys": (
        ".aws/credentials",
        AWS_FILE.format("x") + f"aws_session_token = {HEAD}\n  {TAIL}\n",
    ),
    "aws_secret_access_key of the AWS keys": (
        ".aws/credentials",
        AWS_FILE.format(f"{HEAD}\n  {TAIL}"),
    ),
}


@pytest.mark.parametrize("told", FILES)
def test_a_key_of_a_file(casfs, tmp_path, told):
    name, text = FILES[told]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    dialect = {".oas": "oas", ".aws": "glacier"}.get(name[:4], "cas")
    environment = aws(CASFS_DIALECT=dialect)
    refused(casfs("vaults", **environment), told)
    if "secret" in told or "token" in told:
        listed = casfs("profiles", **environment)
        assert HEAD not in (listed.stdout + listed.stderr).decode()
        assert TAIL not in (listed.stdout + listed.stderr).decode()


def test_a_key_that_a_program_gives(casfs, tmp_path):
    """It is asked for when it is needed; what it says is known only then."""
    (tmp_path / ".aws").mkdir()
    answer = {
        "Version": 1,
        "AccessKeyId": "AKIA",
        "SecretAccessKey": SECRET,
        "SessionToken": f"{HEAD}\n{TAIL}",
        "Expiration": "2999-01-01T00:00:00Z",
    }
    (tmp_path / "answer").write_text(json.dumps(answer))
    (tmp_path / ".aws" / "config").write_text(
        f"[default]\nregion = r\ncredential_process = cat {tmp_path / 'answer'}\n"
    )
    done = casfs("vaults", **aws())
    text = one_line(done)
    assert (done.returncode, done.stdout) == (1, b"")
    assert "aws_session_token" in text
    assert HEAD not in text
    assert TAIL not in text


def test_a_mount_refuses_and_logs_nothing_of_it(casfs, tmp_path):
    (tmp_path / "mountpoint").mkdir()
    log = tmp_path / "log"
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": SECRET}
    token = f"{HEAD}\n{TAIL}"
    done = casfs(
        *("mount", "--log-file", str(log), str(tmp_path / "mountpoint")),
        **aws(**keys, AWS_SESSION_TOKEN=token),
    )
    refused(done, "AWS_SESSION_TOKEN")
    assert not log.exists() or HEAD not in log.read_text()


@pytest.mark.parametrize("around", ["{}\r", "{}\n", "{}\r\n", " {} ", "\t{}\r\n"])
def test_what_surrounds_a_key_is_left_out(casfs, around):
    """As of files with the line ends of Windows, and of `export KEY=$(cat file)`."""
    keys = {name: around.format(value) for name, value in KEYS.items()}
    done = casfs("vaults", **keys)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("name", ["config.toml", ".cascmd_credentials"])
def test_files_as_editors_of_windows_write_them(casfs, tmp_path, name, mark):
    names = ("access_key_id", "secret_access_key"), ("secretid", "secretkey")
    section, (key_id, secret) = {
        "config.toml": ("[profiles.default]", names[0]),
        ".cascmd_credentials": ("[CASCredentials]", names[1]),
    }[name]
    quote = '"' if name == "config.toml" else ""
    lines = [section, f"{key_id} = {quote}{KEY_ID}{quote}", f"{secret} = {quote}{SECRET}{quote}"]
    (tmp_path / name).write_bytes((mark + "\r\n".join([*lines, ""])).encode())
    (tmp_path / name).chmod(0o600)
    done = casfs("vaults", **dict.fromkeys(KEYS))
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("around", ["{}\r", "\n{}\n"])
def test_what_surrounds_keys_of_amazons_is_left_out(casfs, around):
    parts = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "t"}
    done = casfs("vaults", **aws(**{name: around.format(text) for name, text in parts.items()}))
    # The emulator is one of CAS, and refuses; but a request was made of it, and answered.
    assert (done.returncode, done.stdout) == (1, b"")
    assert "request id" in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--dialect", "glacier", "--region", f"r\n{HEAD}"), "region"),
        (("--account", "1\x1b[2J"), "account"),
        (("--account", os.fsdecode(b"\xff")), "account"),
        (("--endpoint", "http://127.0.0.1:1\x01"), "endpoint"),
        (("--endpoint", f"http://u:{HEAD}@127.0.0.1:1"), "endpoint"),
        (("--endpoint", f"http://u:{HEAD}/{TAIL}@127.0.0.1:1"), "endpoint"),
        (("--endpoint", f"u:{TAIL}@{HEAD}@127.0.0.1"), "endpoint"),
    ],
)
def test_what_else_would_stand_in_a_header(casfs, arguments, told):
    done = casfs("vaults", *arguments)
    text = one_line(done)
    assert done.returncode == 2
    assert told in text
    if told == "endpoint":
        assert HEAD not in text
        assert TAIL not in text


@pytest.mark.parametrize("name", [os.fsdecode(b"\xff\xfe"), "\ud800", "文書", "\x1b"])
@pytest.mark.parametrize("command", [("jobs",), ("ls",), ("ls", "v"), ("cat", "v")])
def test_names_of_any_bytes_are_only_not_there(casfs, command, name):
    done = casfs(*command, os.fsencode(name) if name != "\ud800" else b"\xed\xa0\x80")
    assert done.returncode == 1
    assert "bug" not in one_line(done)


def test_a_host_of_any_script_can_be_asked(casfs):
    done = casfs("vaults", "--endpoint", "https://例え.invalid", CASFS_DEADLINE="0.2")
    assert done.returncode == 1
    assert "bug" not in one_line(done)


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://user:{HEAD}@127.0.0.1:1",
        f"http://user:{HEAD}/{TAIL}@127.0.0.1:1",
        f"http://user:{HEAD}@127.0.0.1:port",
        f"user:{HEAD}@127.0.0.1:1",
        f"http://us er:{HEAD}@127.0.0.1:1",
        f"http://us\ner:{HEAD}\n{TAIL}@127.0.0.1:1",
        f"http://user:{HEAD}文@127.0.0.1:1",
        f"http://user:{HEAD}#{TAIL}@127.0.0.1:1",
        f"socks9://user:{HEAD}@127.0.0.1:1",
        f"http://user:{HEAD}@",
    ],
)
def test_the_password_of_a_proxy_is_not_shown(casfs, proxy):
    settings = {"https_proxy": proxy, "CASFS_ENDPOINT": "https://archive.invalid"}
    done = casfs("-v", "vaults", CASFS_DEADLINE="0.5", **settings)
    text = done.stderr.decode()
    assert done.returncode in (1, 2)
    assert "Traceback" not in text
    assert HEAD not in text
    assert TAIL not in text
