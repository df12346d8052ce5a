"""`casfs cache ls`, `prune` and `clear`: what is in the cache, and how it goes."""

import contextlib
import fcntl
import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casfs.cli.cache import parse_age
from casfs.errors import ConfigError
from tests.support.archive import MIB, random_bytes
from tests.support.command import CASFS
from tests.support.mounting import mounted
from tests.system.cli.conftest import command_in
from tests.system.cli.said import one_line

VAULT = "cached"
DATA = {
    name: random_bytes(size, seed=size)
    for name, size in {"a/large.bin": 3 * MIB + 7, "small.txt": 1000, "gone.txt": 2000}.items()
}
HOUR = 3600


class Vault:
    """A vault whose archives have names, and jobs that brought them."""

    def __init__(self, emulator):
        emulator.create_vault(VAULT)
        self.emulator = emulator
        self.archives = {name: emulator.upload(VAULT, data, name) for name, data in DATA.items()}
        self.jobs = {name: emulator.retrieve(VAULT, one) for name, one in self.archives.items()}
        self.inventory = emulator.start(VAULT, Type="inventory-retrieval", Format="JSON")

    def expire(self, name):
        self.emulator.sql(
            "UPDATE jobs SET completed = ? WHERE id = ?",
            time.time() - 25 * HOUR,
            self.jobs[name],
        )


@pytest.fixture(scope="module")
def vault(emulator):
    return Vault(emulator)


@pytest.fixture(scope="module")
def filled(vault, tmp_path_factory):
    """A cache that has every output, since the command has read it."""
    folder = tmp_path_factory.mktemp("filled")
    casfs = command_in(folder, vault.emulator.url)
    for job in (*vault.jobs.values(), vault.inventory):
        assert casfs("cat", VAULT, job).returncode == 0
    assert casfs("cat", "--inventory", "csv", VAULT, vault.inventory).returncode == 0
    assert casfs("catalog", "refresh", VAULT).returncode == 0
    return folder / "cache"


@pytest.fixture
def cached(casfs, filled, tmp_path):
    """Tell what is in the cache by name, at first every output."""
    shutil.copytree(filled, tmp_path / "cache")

    def look():
        done = casfs("cache", "ls", "--json")
        assert done.returncode == 0, done.stderr
        return {one["name"] or one["key"]: one for one in json.loads(done.stdout)}

    return look


def blocks(tmp_path):
    return sorted(p for p in (tmp_path / "cache").glob("blocks-1/??/*/*/*") if p.is_file())


def test_each_output_is_named_and_the_service_is_not_asked(cached, casfs, vault, tmp_path):
    asked = len(vault.emulator.entries())
    found = cached()
    assert len(vault.emulator.entries()) == asked
    large = found["a/large.bin"]
    assert (large["vault"], large["archive"]) == (VAULT, vault.archives["a/large.bin"])
    assert large["jobs"] == [vault.jobs["a/large.bin"]]
    assert (large["cached"], large["size"]) == (len(DATA["a/large.bin"]),) * 2
    assert (large["verified"], large["fetchable"]) == ("yes", True)
    left = datetime.fromisoformat(large["expires"]) - datetime.now(UTC)
    assert 22 * HOUR < left.total_seconds() <= 24 * HOUR
    assert abs(time.time() - datetime.fromisoformat(large["used"]).timestamp()) < 600
    assert found["inventory.csv"]["jobs"] == [vault.inventory]
    (inventory,) = [one for one in found.values() if one["name"] is None]
    assert (inventory["vault"], inventory["jobs"]) == (VAULT, [vault.inventory])
    text = casfs("cache", "ls").stdout.decode()
    assert "3.0 MiB of 3.0 MiB" in text
    for name in DATA:
        assert name in text


def test_part_of_an_output_is_reported(cached, tmp_path):
    found = cached()
    folder = tmp_path / "cache" / "blocks-1"
    key = found["a/large.bin"]["key"]
    (folder / key[:2] / key[2:] / "0" / "1").unlink()
    large = cached()["a/large.bin"]
    assert (large["cached"], large["size"]) == (2 * MIB + 7, 3 * MIB + 7)


def test_what_another_account_has_there_is_unknown_and_shown(cached, casfs):
    keys = {one["key"] for one in cached().values()}
    done = casfs("cache", "ls", "--json", CASFS_ACCOUNT="1250000000")
    found = json.loads(done.stdout)
    assert {one["key"] for one in found} == keys
    assert {(one["vault"], one["fetchable"]) for one in found} == {(None, None)}
    text = casfs("cache", "ls", CASFS_ACCOUNT="1250000000").stdout.decode()
    assert all(key in text for key in keys)


@pytest.mark.parametrize("by", ["job", "archive", "name"])
def test_one_output_is_cleared(cached, casfs, vault, tmp_path, by):
    which = {"job": vault.jobs, "archive": vault.archives}.get(by, {"small.txt": "small.txt"})
    before = set(cached())
    done = casfs("cache", "clear", VAULT, which["small.txt"])
    assert (done.returncode, done.stdout) == (0, b"1 output removed, 1000 B freed\n")
    assert set(cached()) == before - {"small.txt"}
    assert casfs("cat", VAULT, vault.jobs["small.txt"]).stdout == DATA["small.txt"]


def test_a_vault_and_everything_is_cleared(cached, casfs, tmp_path):
    assert casfs("cache", "clear", "other").returncode == 1
    assert "nothing of vault other" in one_line(casfs("cache", "clear", "other"))
    assert len(cached()) == 5
    assert casfs("cache", "clear", VAULT, "-y").returncode == 0
    assert cached() == {}
    assert casfs("vaults").returncode == 0
    assert [path.name for path in (tmp_path / "cache" / "blocks-1").iterdir()] == ["temporary"]


@pytest.mark.parametrize("arguments", [("",), (VAULT, "")])
def test_an_empty_name_clears_nothing(cached, casfs, arguments):
    before = cached()
    done = casfs("cache", "clear", *arguments, "-y")
    assert done.returncode == 2
    assert "an empty name" in done.stderr.decode()
    assert set(cached()) == set(before)


def test_an_id_may_begin_with_a_dash(casfs, vault):
    done = casfs("cache", "clear", VAULT, "-YG-5vED")
    assert done.returncode == 1
    assert "nothing of -YG-5vED" in one_line(done)


def test_what_can_never_be_fetched_again_is_reported_and_asked_for(cached, casfs, vault):
    vault.expire("gone.txt")
    try:
        assert casfs("jobs", VAULT, CASFS_LISTING_TTL="0").returncode == 0
        assert cached()["gone.txt"]["fetchable"] is False
        done = casfs("cache", "clear", VAULT, "gone.txt", stdin=b"")
        assert done.returncode == 1
        assert "gone.txt" in done.stdout.decode()
        assert "nothing was removed" in done.stderr.decode()
        assert casfs("cache", "clear", VAULT, "gone.txt", stdin=b"n\n").returncode == 1
        assert "gone.txt" in cached()
        assert casfs("cache", "clear", VAULT, "gone.txt", stdin=b"y\n").returncode == 0
        assert "gone.txt" not in cached()
    finally:
        vault.jobs["gone.txt"] = vault.emulator.retrieve(VAULT, vault.archives["gone.txt"])


def test_prune_removes_what_was_not_used_for_longest(cached, casfs, tmp_path):
    found = cached()
    folder = tmp_path / "cache" / "blocks-1"
    for age, name in enumerate(["small.txt", "gone.txt", "a/large.bin"]):
        key = found[name]["key"]
        for path in (folder / key[:2] / key[2:]).glob("*/*"):
            os.utime(path, (time.time() - (3 - age) * 86400,) * 2)
    assert casfs("cache", "prune", "--older-than", "60h", "-y").returncode == 0
    assert {"gone.txt", "a/large.bin"} <= set(cached())
    assert "small.txt" not in cached()
    total = sum(one["cached"] for one in cached().values())
    assert casfs("cache", "prune", "--to", str(total)).stdout == b"0 outputs removed, 0 B freed\n"
    assert casfs("cache", "prune", "--to", str(total - 1)).returncode == 0
    assert set(found) - set(cached()) == {"small.txt", "gone.txt"}
    assert casfs("cache", "prune", "--to", "0").returncode == 0
    assert cached() == {}


@contextlib.contextmanager
def in_use(tmp_path, key):
    """Read an output as a running mount does."""
    folder = os.open(tmp_path / "cache" / "blocks-1" / key[:2] / key[2:], os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_SH)
        yield
    finally:
        os.close(folder)


def make_older(tmp_path, found, names):
    """Let outputs be used last in this order, before all others."""
    for age, name in enumerate(reversed(names), 1):
        key = found[name]["key"]
        for path in (tmp_path / "cache" / "blocks-1" / key[:2] / key[2:]).glob("*/*"):
            os.utime(path, (time.time() - age * 86400,) * 2)


def test_prune_goes_on_past_what_is_in_use_until_the_size_is_reached(cached, casfs, tmp_path):
    found = cached()
    make_older(tmp_path, found, ["a/large.bin", "gone.txt", "small.txt"])
    total = sum(one["cached"] for one in found.values())
    with in_use(tmp_path, found["a/large.bin"]["key"]):
        done = casfs("cache", "prune", "--to", str(total - 2500))
    assert (done.returncode, done.stderr) == (0, b"")
    told = done.stdout.decode()
    assert told == "2 outputs removed, 2.9 KiB freed\nin use, and skipped: a/large.bin\n"
    assert set(found) - set(cached()) == {"gone.txt", "small.txt"}


def test_prune_says_that_the_size_cannot_be_reached(cached, casfs, tmp_path):
    found = cached()
    with in_use(tmp_path, found["a/large.bin"]["key"]):
        done = casfs("cache", "prune", "--to", "1MiB")
    assert done.returncode == 1
    assert done.stdout.startswith(b"4 outputs removed, ")
    told = one_line(done)
    assert "still holds 3.0 MiB, more than 1.0 MiB" in told
    assert "in use: a/large.bin; close them, or give -f" in told
    assert set(cached()) == {"a/large.bin"}
    with in_use(tmp_path, found["a/large.bin"]["key"]):
        assert casfs("cache", "prune", "--to", "1MiB", "-f").returncode == 0
    assert cached() == {}


def test_prune_asks_before_it_goes_on_to_what_would_be_lost(cached, casfs, vault, tmp_path):
    vault.expire("gone.txt")
    try:
        assert casfs("jobs", VAULT, CASFS_LISTING_TTL="0").returncode == 0
        found = cached()
        make_older(tmp_path, found, ["a/large.bin", "small.txt", "gone.txt"])
        total = sum(one["cached"] for one in found.values())
        with in_use(tmp_path, found["a/large.bin"]["key"]):
            done = casfs("cache", "prune", "--to", str(total - 2500), stdin=b"n\n")
            assert done.returncode == 1
            assert "gone.txt" in done.stdout.decode()
            assert "nothing was removed" in done.stderr.decode()
            assert set(cached()) == set(found)
            assert casfs("cache", "prune", "--to", str(total - 2500), "-y").returncode == 0
        assert set(found) - set(cached()) == {"small.txt", "gone.txt"}
    finally:
        vault.jobs["gone.txt"] = vault.emulator.retrieve(VAULT, vault.archives["gone.txt"])


@pytest.mark.parametrize(
    "arguments",
    [(), ("--to", "1G", "--older-than", "1d"), ("--to", "much"), ("--older-than", "1 year")],
)
def test_prune_wants_one_of_both(casfs, arguments):
    assert casfs("cache", "prune", *arguments).returncode == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("12H", 43200), ("30d", 2592000), ("2w", 1209600)],
)
def test_an_age(text, seconds):
    assert parse_age(text, "--older-than").total_seconds() == seconds
    for wrong in ("", "d", "-1d", "1.5d", "9999999999d", "999999999w"):
        with pytest.raises(ConfigError, match="--older-than"):
            parse_age(wrong, "--older-than")


def test_what_a_running_mount_reads_stays_unless_forced(vault, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with mounted(home, vault.emulator.url, CASFS_MEMORY_SIZE="1M") as mount:
        output = mount.job(VAULT, vault.jobs["a/large.bin"], "output")
        assert mount.read("vaults", VAULT, "jobs", vault.jobs["small.txt"], "output")
        with Path(output).open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            assert os.pread(file.fileno(), 1000, 0) == DATA["a/large.bin"][:1000]
            done = mount.run(CASFS, "cache", "clear", "-y")
            assert done.returncode == 1
            assert "large.bin" in done.stderr or vault.archives["a/large.bin"] in done.stderr
            assert "-f" in done.stderr
            done = mount.run(CASFS, "cache", "clear", "-y", "-f")
            assert done.returncode == 0, done.stderr
            data = DATA["a/large.bin"]
            for offset in (2 * MIB, 0, MIB):
                assert os.pread(file.fileno(), 5000, offset) == data[offset : offset + 5000]
        assert mount.run(CASFS, "cache", "clear", "-y").returncode == 0
        assert mount.read("vaults", VAULT, "jobs", vault.jobs["a/large.bin"], "output") == data
        assert " ERROR " not in mount.log
