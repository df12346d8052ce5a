"""A cache directory that another user can change is refused by every command, and left alone."""

import os

import pytest

from tests.support.strangers import STRANGER, given_to, modes
from tests.system.cli.said import one_line

COMMANDS = [
    ("vaults",),
    ("jobs", "v"),
    ("ls", "v"),
    ("find", "v", "*"),
    ("catalog", "refresh", "v"),
    ("cat", "v", "job"),
]


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def victim(tmp_path):
    """What a link must not lead us to change."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "precious").write_bytes(b"precious")
    return folder


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_one_of_somebody_else_is_refused(casfs, cache, command):
    given_to(cache)
    done = casfs(*command)
    assert done.returncode == 2
    assert f"belongs to user {STRANGER}" in one_line(done)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("name", ["CACHEDIR.TAG", "blocks-1", "catalog-1", "blocks-1/temporary"])
def test_no_link_in_it_is_followed(casfs, cache, victim, name):
    target = victim / "precious" if name == "CACHEDIR.TAG" else victim
    old = victim / f"{os.uname().nodename}@1@00000000-1"
    old.write_bytes(b"looks abandoned")
    os.utime(old, (1000, 1000))
    (cache / name).parent.mkdir(exist_ok=True)
    (cache / name).symlink_to(target)
    before = snapshot(victim)
    done = casfs("vaults")
    assert done.returncode == 2
    assert f"{cache / name} is a symbolic link" in one_line(done)
    assert snapshot(victim) == before


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (".sqlite", "link"),
        (".lock", "link"),
        (".sqlite-wal", "link"),
        (".sqlite-shm", "link"),
        (".lock", "hard link"),
        (".sqlite", "theirs"),
    ],
)
def test_no_file_of_the_catalog_is_a_link_or_somebody_elses(casfs, cache, victim, ending, kind):
    assert casfs("vaults").returncode == 0
    (sqlite,) = cache.glob("catalog-1/*.sqlite")
    path = sqlite.with_name(sqlite.stem + ending)
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(victim / "precious")
    elif kind == "hard link":
        path.hardlink_to(victim / "precious")
    else:
        path.touch()
        given_to(path)
    done = casfs("vaults")
    assert done.returncode == 2
    assert str(path) in one_line(done)
    assert snapshot(victim) == {victim / "precious": b"precious"}


def test_a_cache_of_an_earlier_version_is_closed_to_others_once(casfs, cache):
    assert casfs("vaults").returncode == 0
    for path in [cache, *cache.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    done = casfs("vaults")
    assert done.returncode == 0
    assert "was accessible to other users" in one_line(done)
    found = modes(cache)
    files = {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}
    assert found == {path: 0o600 if path in files else 0o700 for path in found}
    assert casfs("vaults").stderr == b""


def test_what_is_not_ours_by_name_is_never_removed(casfs, cache):
    assert casfs("vaults").returncode == 0
    kept = [
        cache / "blocks-1" / "temporary" / "thesis.doc",
        cache / "blocks-1" / "notes" / "2024" / "7" / "1",
        cache / "blocks-1" / "ab" / "cd" / "0" / "0",
        cache / "blocks-1" / "ab" / ("cd" * 31) / "old" / "0",
        cache / "blocks-1" / "ab" / ("cd" * 31) / "0" / "0.bak",
        cache / "photos" / "1.jpg",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
        os.utime(path, (1000, 1000))
    assert casfs("vaults", "--cache-size", "0").returncode == 0
    assert [path.read_bytes() for path in kept] == [b"mine"] * len(kept)


def test_a_catalogue_that_lost_its_pages_is_rebuilt_by_the_same_command(casfs, cache):
    assert casfs("vaults").returncode == 0
    before = casfs("jobs", "v").stdout
    (sqlite,) = cache.glob("catalog-1/*.sqlite")
    content = bytearray(sqlite.read_bytes())
    content[4096 : 9 * 4096] = bytes(8 * 4096)
    sqlite.write_bytes(content)
    done = casfs("jobs", "v")
    assert (done.returncode, done.stdout) == (0, before)
    assert "being rebuilt" in done.stderr.decode()
