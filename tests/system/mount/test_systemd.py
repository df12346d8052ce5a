"""systemd starts, watches, reloads and stops a mount, and its units are valid."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.mounting import Mount
from tests.support.processes import SECONDS
from tests.support.served import Served

UNITS = Path(__file__).parents[3] / "systemd"

ALLOWED = {
    "Type": "READY comes by sd_notify",
    "LoadCredential": "systemd sets credentials up in a namespace of its own helper",
    "Environment": "only a variable",
    "CacheDirectory": "made below /var/cache; a mount namespace only with DynamicUser",
    "CacheDirectoryMode": "the same",
    "ExecStartPre": "a command",
    "ExecStart": "a command",
    "ExecReload": "a command",
    "WatchdogSec": "needs no more than the socket",
    "Restart": "of the manager",
    "RestartSec": "of the manager",
    "TimeoutStopSec": "of the manager",
    "KeyringMode": "a kernel keyring, no mount namespace and no restriction of setuid",
    "UMask": "only a mask",
}
"""Directives of [Service] that neither give the service a mount namespace, in which the host would
not see the mount, nor set no_new_privs, under which the setuid fusermount3 cannot mount
(systemd.exec(5)). Others must be looked up before they are added here."""


@pytest.fixture
def unmounted(service: Served, home: Path) -> Iterator[Mount]:
    mount = Mount(home, service.url)
    yield mount
    mount.remove()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, unmounted: Mount) -> Iterator[socket.socket]:
    """A socket on which a mount's messages arrive, as systemd has one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = str(unmounted.mountpoint.parent / "notify")
        if request.param == "abstract":
            name = f"@casfs-test-{os.getpid()}"
        listening.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
        listening.settimeout(SECONDS)
        unmounted.environment |= {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "300000"}
        yield listening


def told(manager: socket.socket, wanted: str) -> str:
    """Wait for a message that begins with a line; others may come before."""
    while not (message := manager.recv(4096).decode()).startswith(wanted):
        pass
    return message


def test_a_mount_tells_how_it_is(service: Served, unmounted: Mount, manager: socket.socket) -> None:
    process = unmounted.start_in_front("--log-file", str(unmounted.log_file))
    ready = told(manager, "READY=1")
    assert f"STATUS={service.url} is mounted on {unmounted.mountpoint}" in ready
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    told(manager, "WATCHDOG=1")
    process.send_signal(signal.SIGHUP)
    assert re.search(r"\nMONOTONIC_USEC=\d+$", told(manager, "RELOADING=1"))
    told(manager, "READY=1")
    assert "opened the log again" in unmounted.log
    told(manager, "WATCHDOG=1")
    assert unmounted.list() == [".casfs", "vaults"]
    process.send_signal(signal.SIGTERM)
    told(manager, "STOPPING=1")
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert not unmounted.is_mounted()


def test_a_mount_that_does_not_answer_is_not_said_to(
    service: Served, unmounted: Mount, manager: socket.socket
) -> None:
    process = unmounted.start_in_front()
    told(manager, "WATCHDOG=1")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        manager.settimeout(1)
        with pytest.raises(TimeoutError):
            told(manager, "never")
    finally:
        os.kill(process.pid, signal.SIGCONT)
        manager.settimeout(SECONDS)
    told(manager, "WATCHDOG=1")
    process.terminate()
    process.communicate(timeout=SECONDS)


def directives(unit: Path) -> set[str]:
    section = unit.read_text().partition("[Service]\n")[2].partition("\n[")[0]
    return set(re.findall(r"^(\w+)=", section, re.MULTILINE))


@pytest.mark.parametrize("unit", sorted(UNITS.rglob("*.service")), ids=lambda unit: unit.name)
def test_units_use_only_what_leaves_the_mount_visible(unit: Path) -> None:
    assert directives(unit) <= ALLOWED.keys()


def test_units_are_valid(tmp_path: Path) -> None:
    """With the program where it is, and each template for a profile."""
    for unit in UNITS.rglob("*.*"):
        text = unit.read_text().replace("/usr/local/bin/casfs", CASFS)
        copy = tmp_path / unit.parent.name / unit.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(text)
    for folder, option in (("system", "--system"), ("user", "--user")):
        units = [str(path).replace("@", "@work") for path in (tmp_path / folder).iterdir()]
        done = subprocess.run(
            ["systemd-analyze", "verify", option, "--man=no", *sorted(units)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)},
        )
        said = [line for line in done.stderr.splitlines() if "casfs" in line]
        assert (done.returncode, said) == (0, [])
