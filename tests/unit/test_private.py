"""A directory that only its user can change: what is refused, what is closed, what is used."""

import errno
import grp
import os
import pwd

import pytest

from casfs.errors import ConfigError
from casfs.private import PrivateDirectory
from tests.support.strangers import STRANGER, given_to, modes

NAMES = frozenset({"CACHEDIR.TAG", "blocks-1", "catalog-1"})


def made(path):
    private = PrivateDirectory(path, names=NAMES)
    private.make()
    return private


def mode(path):
    return path.lstat().st_mode & 0o7777


def test_what_is_missing_is_made_for_this_user_alone(tmp_path):
    made(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


def test_a_directory_of_somebody_else_is_refused(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    given_to(cache)
    with pytest.raises(ConfigError, match=rf"cache belongs to user {STRANGER}.*--cache-dir"):
        made(cache)


def test_nobody_is_somebody_else_where_the_file_system_keeps_owners(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o777)
    given_to(cache, pwd.getpwnam("nobody").pw_uid)
    with pytest.raises(ConfigError, match="belongs to user nobody"):
        made(cache)
    assert list(cache.iterdir()) == []


def test_a_link_is_refused_and_told_where_it_leads(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "cache").symlink_to("real")
    with pytest.raises(ConfigError, match=rf"symbolic link.*--cache-dir {tmp_path}/real"):
        made(tmp_path / "cache")


def test_links_of_this_user_among_the_parents_are_followed(tmp_path):
    (tmp_path / "big" / "disk").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "relative").symlink_to("../big/disk")
    (tmp_path / "home" / "absolute").symlink_to(tmp_path / "home" / "relative")
    private = made(tmp_path / "home" / "absolute" / "casfs")
    assert private.path == tmp_path / "big" / "disk" / "casfs"
    assert private.path.is_dir()


def test_a_link_of_somebody_else_among_the_parents_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    given_to(tmp_path / "link")
    with pytest.raises(ConfigError, match=f"link that belongs to user {STRANGER}"):
        made(tmp_path / "link" / "casfs")
    assert list((tmp_path / "real").iterdir()) == []


def test_links_without_end_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ConfigError, match="too many symbolic links"):
        made(tmp_path / "a" / "casfs")


@pytest.mark.parametrize("parent_mode", [0o777, 0o757, 0o773])
def test_a_parent_that_others_can_write_is_refused(tmp_path, parent_mode):
    (tmp_path / "parent").mkdir()
    (tmp_path / "parent").chmod(parent_mode)
    with pytest.raises(ConfigError, match=rf"other users can write.*chmod go-w {tmp_path}/parent"):
        made(tmp_path / "parent" / "casfs")
    assert list((tmp_path / "parent").iterdir()) == []


def test_a_sticky_parent_is_fine(tmp_path):
    (tmp_path / "parent").mkdir()
    (tmp_path / "parent").chmod(0o1777)
    made(tmp_path / "parent" / "casfs")


def test_a_parent_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "theirs" / "ours").mkdir(parents=True)
    given_to(tmp_path / "theirs")
    with pytest.raises(ConfigError, match=f"theirs, a parent of .* belongs to user {STRANGER}"):
        made(tmp_path / "theirs" / "ours" / "casfs")


def test_a_parent_open_to_a_group_is_fine_if_nobody_else_is_in_it(tmp_path):
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(0o770)
    others = [user.pw_gid for user in pwd.getpwall() if user.pw_uid != os.geteuid()]
    os.chown(parent, -1, others[0])
    with pytest.raises(ConfigError, match="other users can write"):
        made(parent / "casfs")
    taken = {*others, *(g.gr_gid for g in grp.getgrall() if g.gr_mem)}
    free = [group.gr_gid for group in grp.getgrall() if group.gr_gid not in taken]
    os.chown(parent, -1, free[0])
    made(parent / "casfs")


@pytest.mark.parametrize("open_mode", [0o755, 0o777, 0o770, 0o1777])
def test_what_is_too_open_is_closed_once(tmp_path, open_mode, caplog):
    cache = tmp_path / "cache"
    block = cache / "blocks-1" / "ab" / "cd" / "0" / "0"
    block.parent.mkdir(parents=True)
    (cache / "catalog-1").mkdir()
    for file in (block, cache / "CACHEDIR.TAG", cache / "catalog-1" / "x.sqlite"):
        file.touch(0o644)
    for folder in (block.parent, cache / "blocks-1", cache):
        folder.chmod(open_mode)
    made(cache)
    found = modes(cache)
    files = {"blocks-1/ab/cd/0/0", "CACHEDIR.TAG", "catalog-1/x.sqlite"}
    assert found == {path: 0o600 if path in files else 0o700 for path in found}
    assert "was accessible to other users" in caplog.text
    caplog.clear()
    made(cache)
    assert caplog.text == ""


def test_a_directory_that_holds_other_things_stays_readable(tmp_path):
    """Such as a home: it is not the cache's alone."""
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home" / "page.html").touch(0o644)
    (tmp_path / "home" / "blocks-1").mkdir(mode=0o755)
    (tmp_path / "home").chmod(0o777)
    made(tmp_path / "home")
    assert modes(tmp_path / "home") == {".": 0o755, "page.html": 0o644, "blocks-1": 0o700}


def test_a_directory_for_everybody_is_refused_and_left_as_it_is(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o1777)
    (scratch / "theirs").touch()
    given_to(scratch / "theirs")
    with pytest.raises(ConfigError, match=f"shared by all users.*--cache-dir {scratch}/casfs"):
        made(scratch)
    assert mode(scratch) == 0o1777


def test_the_usual_places_for_everybody_are_refused_even_when_empty(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o1777)
    monkeypatch.setattr("casfs.private._FOR_ALL", {str(scratch)})
    with pytest.raises(ConfigError, match="shared by all users"):
        made(scratch)
    assert mode(scratch) == 0o1777


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("kind", ["link", "theirs"])
def test_what_we_would_keep_there_is_ours(tmp_path, name, kind):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    if kind == "link":
        (cache / name).symlink_to(victim)
    else:
        (cache / name).mkdir()
        given_to(cache / name)
    with pytest.raises(ConfigError, match=r"symbolic link|belongs to"):
        made(cache)
    assert victim.read_bytes() == b"precious"


def test_one_that_takes_its_place_is_checked_again(tmp_path):
    cache = tmp_path / "cache"
    private = made(cache)
    cache.rmdir()
    private.confirm()
    assert mode(cache) == 0o700
    cache.rmdir()
    cache.mkdir()
    given_to(cache)
    with pytest.raises(ConfigError, match="belongs to"):
        private.confirm()
    with pytest.raises(ConfigError, match="belongs to"):
        private.make_below(cache / "blocks-1")
    assert list(cache.iterdir()) == []


def test_no_file_but_ours_is_opened(tmp_path):
    private = made(tmp_path / "cache")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    at = private.path / "file"
    at.symlink_to(victim)
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR):
        with pytest.raises(ConfigError, match="symbolic link"):
            private.open(at, flags)
    at.unlink()
    at.hardlink_to(victim)
    with pytest.raises(ConfigError, match="another hard link"):
        private.open(at, os.O_WRONLY | os.O_CREAT)
    at.unlink()
    at.touch()
    given_to(at)
    with pytest.raises(ConfigError, match=f"belongs to user {STRANGER}"):
        private.open(at, os.O_RDONLY)
    at.unlink()
    os.mkfifo(at)
    for flags in (os.O_RDONLY, os.O_WRONLY):
        with pytest.raises(OSError, match="file"):
            private.open(at, flags)
    assert victim.read_bytes() == b"precious"


def test_what_others_planted_below_is_neither_closed_nor_followed(tmp_path):
    cache = tmp_path / "cache"
    theirs = cache / "blocks-1" / "ab"
    at = theirs
    for _ in range(300):
        at /= "d"
    at.mkdir(parents=True)
    for path in (cache, cache / "blocks-1", theirs):
        path.chmod(0o777)
    given_to(theirs)
    (cache / "blocks-1" / "cd").symlink_to(theirs)
    private = made(cache)
    assert (mode(cache / "blocks-1"), mode(theirs)) == (0o700, 0o777)
    for planted in ("ab", "cd"):
        with pytest.raises(ConfigError, match=r"belongs to|symbolic link"):
            private.make_below(cache / "blocks-1" / planted / "0")


def test_a_file_system_without_modes_is_used_with_a_warning(tmp_path, monkeypatch, caplog):
    """As exFAT and CIFS are; some refuse to change a mode, some do not and leave it as it is."""
    (tmp_path / "refuses").mkdir(mode=0o777)
    (tmp_path / "leaves").mkdir(mode=0o777)

    def refuse(*_):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    for name, chmod in (("refuses", refuse), ("leaves", lambda *_: None)):
        (tmp_path / name).chmod(0o777)
        monkeypatch.setattr("os.chmod", chmod)
        caplog.clear()
        private = made(tmp_path / name)
        private.make_below(private.path / "blocks-1" / "ab")
        file = private.open(private.path / "blocks-1" / "ab" / "leaves", os.O_RDWR | os.O_CREAT)
        os.close(file)
        assert caplog.text.count("has no modes") == 1
        monkeypatch.undo()


def test_a_file_system_without_owners_is_used_with_a_warning(tmp_path, monkeypatch, caplog):
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o777)
    nobody = pwd.getpwnam("nobody").pw_uid
    monkeypatch.setattr("casfs.ownership._owner_of_new_file", lambda _: nobody)
    given_to(cache, nobody)
    private = made(cache)
    assert caplog.text.count("has no owners") == 1
    (cache / "file").touch()
    with pytest.raises(ConfigError, match="belongs to"):
        private.open(cache / "file", os.O_RDONLY)
    given_to(cache / "file", nobody)
    os.close(private.open(cache / "file", os.O_RDONLY))
