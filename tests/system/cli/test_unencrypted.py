"""A service that is asked without encryption, on another machine, is warned about: once."""

import pytest

WARNING = "are not encrypted"
COMMANDS = [
    ("vaults",),
    ("jobs", "v"),
    ("cat", "v", "j"),
    ("ls", "v"),
    ("find", "v", "*"),
    ("catalog", "refresh"),
]


@pytest.fixture
def told(casfs):
    """What a command says on standard error about a service that it cannot reach."""

    def run(*arguments, endpoint):
        quick = {"CASFS_DEADLINE": "0.1", "CASFS_ATTEMPTS": "1", "http_proxy": "http://127.0.0.1:1"}
        done = casfs(*arguments, CASFS_ENDPOINT=endpoint, no_proxy="127.0.0.1,::1", **quick)
        assert done.returncode == 1
        return done.stderr.decode()

    return run


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_that_asks_warns_once(told, command):
    text = told(*command, endpoint="http://archive.invalid:8080")
    assert text.count(WARNING) == 1
    assert "http://archive.invalid:8080 " in text
    assert "https://" in text


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "[fe80::1]", "128.0.0.1", "localhost.example", "[::2]"]
)
def test_other_machines_are_warned_about(told, host):
    assert WARNING in told("vaults", endpoint=f"http://{host}")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:1",
        "http://127.8.9.10:1",
        "http://[::1]:1",
        "http://[::ffff:127.0.0.1]:1",
        "http://localhost:1",
        "http://LocalHost.:1",
        "https://archive.invalid",
        "archive.invalid",
    ],
)
def test_this_machine_and_https_are_not(told, endpoint):
    assert WARNING not in told("vaults", endpoint=endpoint)


def test_a_mount_says_so_to_the_terminal_and_to_its_log(told, tmp_path):
    log = tmp_path / "log"
    (tmp_path / "mountpoint").mkdir()
    mount = ("mount", "--log-file", str(log), str(tmp_path / "mountpoint"))
    assert told(*mount, endpoint="http://archive.invalid").count(WARNING) == 1
    assert log.read_text().count(WARNING) == 1


def test_a_mount_in_front_says_so_once(told, tmp_path):
    (tmp_path / "mountpoint").mkdir()
    mount = ("mount", "-f", str(tmp_path / "mountpoint"))
    assert told(*mount, endpoint="http://archive.invalid").count(WARNING) == 1
