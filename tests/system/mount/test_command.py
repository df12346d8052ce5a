"""`casfs mount` and `casfs umount`: what they return, say and leave, and how a mount ends."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.emulator.running import running_emulator
from tests.support.mounting import Mount, mounted
from tests.support.processes import SECONDS, wait_until
from tests.support.served import MIB, VAULT, Served, served
from tests.support.strangers import STRANGER, run_as

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")

ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
BY_NAME = [number.name for number in ENDING]


@pytest.fixture
def unmounted(service: Served, home: Path) -> Iterator[Mount]:
    """Everything for a mount, which is not made yet."""
    mount = Mount(home, service.url)
    yield mount
    mount.remove()


def assert_refused(
    mount: Mount, done: "subprocess.CompletedProcess[str]", *words: str, status: int
) -> None:
    """It failed, said why in one line, and left nothing."""
    assert done.returncode == status, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("casfs: ")
    for word in words:
        assert word in line
    assert done.stdout == ""
    assert mount.processes() == []


def test_a_mount_answers_when_the_command_returns(service: Served, unmounted: Mount) -> None:
    done = unmounted.start()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert unmounted.is_mounted()
    assert unmounted.list() == [".casfs", "vaults"]
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    assert unmounted.umount().stderr == ""
    assert not unmounted.is_mounted()
    assert unmounted.processes() == []
    assert " ERROR " not in unmounted.log


def open_all(paths: list[Path]) -> int:
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(path.open("rb", buffering=0)) for path in paths]
        return sum(len(file.read()) for file in files)


def test_more_files_may_be_open_than_a_shell_allows(tmp_path: Path, home: Path) -> None:
    names = [f"file{number:02}" for number in range(90)]
    shell = ("bash", "-c", 'ulimit -Sn 64; exec "$0" "$@"', CASFS)
    with (
        served(tmp_path, dict.fromkeys(names, 7)) as service,
        mounted(home, service.url, program=shell) as mount,
    ):
        paths = [mount.path(*service.output(name)) for name in names]
        for _ in "received", "cached":
            assert mount.ask(open_all, paths) == 7 * len(names)


def test_the_kernel_knows_it_as_casfs(service: Served, unmounted: Mount) -> None:
    assert unmounted.start().returncode == 0
    found = unmounted.good("findmnt", "-n", "-o", "FSTYPE,SOURCE,OPTIONS", unmounted.mountpoint)
    kind, source, options = found.split()
    assert (kind, source) == ("fuse.casfs", "casfs:default")
    assert "ro" in options.split(",")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_a_mount_with_its_cache_written(
    service: Served, unmounted: Mount, number: signal.Signals
) -> None:
    assert unmounted.start().returncode == 0
    assert unmounted.read(*service.output("folder/whole")) == service.files["folder/whole"]
    os.kill(unmounted.pid, number)
    wait_until(lambda: not unmounted.processes(), "the mount to end")
    assert not unmounted.is_mounted()
    assert " ERROR " not in unmounted.log
    asked = len(service.emulator.outputs())
    assert unmounted.start().returncode == 0
    assert unmounted.read(*service.output("folder/whole")) == service.files["folder/whole"]
    assert len(service.emulator.outputs()) == asked


@pytest.mark.parametrize("number", ENDING, ids=BY_NAME)
def test_a_mount_in_front_stays_there_and_ends_with_success(
    service: Served, unmounted: Mount, number: signal.Signals
) -> None:
    process = unmounted.start_in_front()
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    assert process.poll() is None
    assert unmounted.processes() == [process.pid]
    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert f"ended by {number.name}" in errors
    assert "is mounted on" in errors
    assert not unmounted.is_mounted()


def test_fusermount_ends_a_mount_in_front(service: Served, unmounted: Mount) -> None:
    process = unmounted.start_in_front()
    # The mount is busy while it looks at itself, as it does once when it begins.
    wait_until(
        lambda: unmounted.run("fusermount", "-u", unmounted.mountpoint).returncode == 0,
        "the mount to be taken away",
    )
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize("how", ["casfs", "fusermount"])
def test_unmounting_leaves_the_cache_written(tmp_path: Path, home: Path, how: str) -> None:
    with served(tmp_path, {"file": 9 * MIB}) as service, mounted(home, service.url) as mount:
        assert mount.read(*service.output("file")) == service.files["file"]
        if how == "casfs":
            mount.umount()
            assert mount.processes() == []
        else:
            mount.good("fusermount", "-u", mount.mountpoint)
            wait_until(lambda: not mount.processes(), "the mount to end")
        asked = len(service.emulator.outputs())
        assert mount.start().returncode == 0
        assert mount.read(*service.output("file")) == service.files["file"]
        assert len(service.emulator.outputs()) == asked


@pytest.mark.parametrize("signalled", [True, False], ids=["signal", "lazily"])
def test_a_mount_ends_while_a_read_waits(tmp_path: Path, home: Path, signalled: bool) -> None:
    with (
        served(tmp_path, {"file": 9 * MIB}, fault={"stall@output": 1}) as service,
        mounted(home, service.url) as mount,
    ):
        reading = mount.begin(Path.read_bytes, mount.path(*service.output("file")))
        wait_until(service.emulator.outputs, "the reader to wait for the service")
        if signalled:
            os.kill(mount.pid, signal.SIGTERM)
        else:
            mount.umount("--lazy")
            mount.ask(os.kill, mount.pid, signal.SIGTERM)
        with pytest.raises(OSError):  # noqa: PT011 - EIO, or ECONNABORTED if the kernel was faster
            reading()
        wait_until(lambda: not mount.processes(), "the mount to end")
        assert not mount.is_mounted()


def test_a_mount_in_use_is_not_taken_away_but_lazily(service: Served, unmounted: Mount) -> None:
    assert unmounted.start().returncode == 0
    path = unmounted.path(*service.output("odd"))
    begun, going_on = os.pipe(), os.pipe()

    def read_in_two_steps() -> bytes:
        with path.open("rb", buffering=0) as file:
            os.write(begun[1], b".")
            os.read(going_on[0], 1)
            return file.readall()

    reading = unmounted.begin(read_in_two_steps)
    assert os.read(begun[0], 1) == b"."
    refused = unmounted.run(CASFS, "umount", unmounted.mountpoint)
    assert refused.returncode == 1
    assert "--lazy" in refused.stderr
    assert unmounted.list() == [".casfs", "vaults"]
    unmounted.umount("--lazy")
    assert not unmounted.is_mounted()
    os.write(going_on[1], b".")
    assert reading() == service.files["odd"]
    wait_until(lambda: not unmounted.processes(), "the mount to end with its last reader")
    for descriptor in begun + going_on:
        os.close(descriptor)


def test_unmounting_what_is_no_mount(service: Served, unmounted: Mount) -> None:
    for path in (unmounted.mountpoint, unmounted.mountpoint / "missing", Path("/proc")):
        done = unmounted.run(CASFS, "umount", path)
        assert_refused(unmounted, done, "is not a casfs mount", status=1)


def test_a_second_mount_on_the_same_point(service: Served, mount: Mount, home: Path) -> None:
    second = Mount(home, service.url)
    second.mountpoint = mount.mountpoint
    assert_refused(second, second.start(), "already mounted", "casfs umount", status=1)
    assert mount.list() == [".casfs", "vaults"]


def test_two_mounts_share_a_cache(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 9 * MIB}) as service, mounted(home, service.url) as one:
        cache = str(one.cache / "casfs")
        with mounted(home / "two", service.url, "--cache-dir", cache) as two:
            assert one.read(*service.output("file")) == service.files["file"]
            wait_until(lambda: len(list(one.cache.rglob("blocks-1/*/*/0/*"))) == 9, "the writing")
            assert two.read(*service.output("file")) == service.files["file"]
        assert len(service.blocks()) == len(set(service.blocks()))


def test_a_dead_mount(service: Served, unmounted: Mount) -> None:
    assert unmounted.start().returncode == 0
    unmounted.kill()
    assert unmounted.is_mounted()
    assert_refused(unmounted, unmounted.start(), "died", "casfs umount", status=1)
    unmounted.umount()
    assert not unmounted.is_mounted()
    assert unmounted.start().returncode == 0
    assert unmounted.read(*service.output("odd")) == service.files["odd"]


def test_mount_points_that_are_none(service: Served, unmounted: Mount) -> None:
    file = unmounted.mountpoint.parent / "file"
    file.touch()
    for path in (file, file / "below", unmounted.mountpoint / "missing"):
        done = unmounted.run(CASFS, "mount", path)
        assert_refused(unmounted, done, str(path), "is not a directory", status=2)


def test_credentials_that_are_refused(service: Served, unmounted: Mount) -> None:
    for name in ("CASFS_ACCESS_KEY_ID", "CASFS_SECRET_ACCESS_KEY"):
        right = unmounted.environment[name]
        unmounted.environment[name] = "wrong"
        assert_refused(unmounted, unmounted.start(), "check the keys", status=1)
        assert_refused(unmounted, unmounted.start("-f"), "check the keys", status=1)
        unmounted.environment[name] = right
    assert not unmounted.is_mounted()
    assert unmounted.start().returncode == 0


def test_no_credentials(service: Served, unmounted: Mount) -> None:
    for name in ("CASFS_ACCESS_KEY_ID", "CASFS_SECRET_ACCESS_KEY"):
        del unmounted.environment[name]
    assert_refused(unmounted, unmounted.start(), "no credentials", "ACCESS_KEY_ID", status=2)


def test_no_service(tmp_path: Path, home: Path) -> None:
    with running_emulator(tmp_path / "emulator") as emulator:
        mount = Mount(home, emulator.url, {"CASFS_ATTEMPTS": 2})
    done = mount.start()
    assert_refused(mount, done, emulator.url, "check the network", status=1)
    assert not mount.is_mounted()


def test_a_cache_that_cannot_be_written(service: Served, unmounted: Mount) -> None:
    file = unmounted.mountpoint.parent / "file"
    file.touch()
    for folder in (file, file / "below", Path("/proc/none")):
        done = unmounted.start("--cache-dir", str(folder))
        assert_refused(unmounted, done, str(folder), "--cache-dir", status=2)


def test_a_log_that_cannot_be_written(service: Served, unmounted: Mount) -> None:
    done = unmounted.run(CASFS, "mount", "--log-file", "/proc/none/log", str(unmounted.mountpoint))
    assert_refused(unmounted, done, "/proc/none/log", status=2)


def test_a_profile_and_the_place_of_the_log(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        mount.umount()
        config = home / "config" / "casfs" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(f'[profiles.test]\nendpoint = "{mount.environment["CASFS_ENDPOINT"]}"\n')
        del mount.environment["CASFS_ENDPOINT"]
        mount.good(CASFS, "mount", "test", mount.mountpoint)
        assert mount.status()["profile"] == "test"
        assert mount.list("vaults") == [VAULT]
        (log,) = (home / "state").rglob("*.log")
        assert "is mounted on" in log.read_text()
        mount.umount()
        done = mount.run(CASFS, "mount", "other", mount.mountpoint)
        assert_refused(mount, done, "no profile 'other'", "test", status=2)


def test_too_many_arguments_are_wrong_usage(service: Served, unmounted: Mount) -> None:
    done = unmounted.run(CASFS, "mount", "a", "b", unmounted.mountpoint)
    assert done.returncode == 2
    assert "Usage: " in done.stderr


def test_a_relative_mount_point(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        mount.umount()
        shell = 'cd "$0" && "$1" mount ./mountpoint && cat mountpoint/.casfs/status.json'
        assert '"pid"' in mount.good("sh", "-c", shell, home, CASFS)
        mount.good("sh", "-c", 'cd "$0" && "$1" umount mountpoint/', home, CASFS)
        assert not mount.is_mounted()


def assert_listed(mount: Mount) -> None:
    """The command lists a mount, whatever else is mounted on this machine, even if that is dead."""
    done = mount.run(CASFS, "status", "--json")
    assert "Traceback" not in done.stderr
    assert str(mount.pid) in done.stdout


@needs_root
@pytest.mark.parametrize("name", ["a\rb", "a\fb", "a\vb", "a\x85b", "a\u2028b", "a b\nc\\d"])
def test_mounts_of_others_may_be_called_anything(service, home, name):
    """Of these characters the kernel escapes only blank, line break and backslash."""
    other = home / name
    other.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", other], check=True)
    try:
        with mounted(home / "ours", service.url) as mount:
            assert_listed(mount)
            mount.umount()
            assert not mount.is_mounted()
    finally:
        subprocess.run(["umount", other], check=True)


def test_a_mount_point_may_be_named_by_a_link(service, home):
    (home / "link").parent.mkdir(parents=True, exist_ok=True)
    with mounted(home, service.url) as mount:
        (home / "link").symlink_to(mount.mountpoint)
        assert mount.run(CASFS, "status", home / "link").returncode == 0
        assert mount.run(CASFS, "umount", home / "link").returncode == 0
        assert not mount.is_mounted()


def test_a_mount_point_may_have_any_name(service, tmp_path):
    with mounted(tmp_path / os.fsdecode(b"\xff\xfe\n\x1b"), service.url) as mount:
        assert mount.list() == [".casfs", "vaults"]
        assert_listed(mount)
        mount.umount()


@needs_root
def test_the_mount_of_another_user_is_neither_dead_nor_ours_to_unmount(
    service: Served, home: Path
) -> None:
    with mounted(home, service.url) as mount:
        done = run_as(STRANGER, [CASFS, "status", "--json"], mount.environment)
        assert (done.returncode, done.stderr) == (0, "")
        lines = json.loads(done.stdout)
        (error,) = [one["error"] for one in lines if one["mountpoint"] == str(mount.mountpoint)]
        assert "only that user can read it" in error
        done = run_as(STRANGER, [CASFS, "umount", mount.mountpoint], mount.environment)
        assert done.returncode == 1
        assert (
            done.stderr
            == f"casfs: {mount.mountpoint} belongs to user 0; that user or root unmounts it\n"
        )
        assert mount.is_mounted()
