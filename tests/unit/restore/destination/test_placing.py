"""A file that is whole gets its name, unless somebody has put something else there meanwhile."""

import ctypes
import errno
import os

import pytest

from casfs.errors import DestinationError
from casfs.restore.destination import placing
from casfs.restore.destination.existing_files import Overwrite
from casfs.restore.destination.opened_tree import OpenedTree
from casfs.restore.destination.placing import FileAppearedError, may_replace, place

ALWAYS, IF_CHANGED = Overwrite.ALWAYS, Overwrite.IF_CHANGED
SECOND = 10**9


@pytest.fixture
def tree(tmp_path):
    (tmp_path / ".part").write_text("archived")
    return OpenedTree(tmp_path)


def refuses(code):
    """A rename that the file system does not know."""

    def call(*arguments):
        ctypes.set_errno(code)
        return -1

    return call


@pytest.mark.parametrize("renames", ["at once", "by links", "without links", "without the call"])
def test_a_file_that_has_appeared_is_kept(tree, monkeypatch, renames):
    if renames == "without the call":
        monkeypatch.setattr(placing, "_renameat2", None)
    elif renames != "at once":
        monkeypatch.setattr(placing, "_renameat2", refuses(errno.EINVAL))
    if renames == "without links":

        def link(*arguments, **more):
            raise PermissionError(errno.EPERM, "no hard links")

        monkeypatch.setattr(os, "link", link)
    theirs = tree.path / "name"
    theirs.write_text("theirs")
    with pytest.raises(FileAppearedError, match="is kept"):
        place(tree, tree.top, ".part", "name", replace=False)
    assert theirs.read_text() == "theirs"
    theirs.unlink()
    theirs.symlink_to("nowhere")
    with pytest.raises(FileAppearedError):
        place(tree, tree.top, ".part", "name", replace=False)
    theirs.unlink()
    place(tree, tree.top, ".part", "name", replace=False)
    assert theirs.read_text() == "archived"
    assert [path.name for path in tree.path.iterdir()] == ["name"]


def test_another_program_cannot_come_between_look_and_rename(tree, monkeypatch):
    """Whatever is looked at before, the rename itself replaces nothing."""
    theirs = tree.path / "name"
    look = os.lstat

    def late(*arguments, **more):
        try:
            return look(*arguments, **more)
        finally:
            theirs.write_text("theirs")

    monkeypatch.setattr(os, "lstat", late)
    theirs.write_text("theirs")
    theirs.unlink()
    monkeypatch.setattr(placing, "_renameat2", late_call(theirs, placing._renameat2))
    with pytest.raises(FileAppearedError):
        place(tree, tree.top, ".part", "name", replace=False)
    assert theirs.read_text() == "theirs"


def late_call(path, call):
    def rename(*arguments):
        path.write_text("theirs")
        return call(*arguments)

    return rename


def test_what_was_to_be_replaced_is_judged_again(tree):
    path, mtime = tree.path / "name", 1_000_000_000 * SECOND
    path.write_text("older")
    os.utime(path, ns=(mtime, mtime - SECOND))
    assert may_replace(tree.top, "name", mtime, IF_CHANGED)
    os.utime(path, ns=(mtime, mtime + 3 * SECOND))
    with pytest.raises(FileAppearedError, match="newer"):
        may_replace(tree.top, "name", mtime, IF_CHANGED)
    assert may_replace(tree.top, "name", mtime, ALWAYS)
    path.unlink()
    assert not may_replace(tree.top, "name", mtime, ALWAYS)
    path.symlink_to("nowhere")
    with pytest.raises(FileAppearedError):
        may_replace(tree.top, "name", mtime, IF_CHANGED)


@pytest.mark.parametrize("inodes", ["one", "one for each spelling, as in exFAT by FUSE"])
def test_names_that_a_file_system_takes_for_one_are_told_apart(tree, monkeypatch, inodes):
    """As vfat, exFAT, CIFS and case-folding ext4 do: a file is found under other names."""
    (tree.path / "Sub").mkdir()
    (tree.path / "Sub/Name.txt").write_text("theirs")
    plain, enter = os.lstat, os.open

    def folded(name, *arguments, **more):
        return (
            name
            if not isinstance(name, str)
            else {"name.txt": "Name.txt", "sub": "Sub"}.get(name.casefold(), name)
        )

    def looked_up(name, **more):
        found = list(plain(folded(name), **more))
        found[1] += 0 if inodes == "one" or folded(name) == name else 1 << 40
        return os.stat_result(found)

    monkeypatch.setattr(os, "lstat", looked_up)
    monkeypatch.setattr(os, "open", lambda name, *rest, **more: enter(folded(name), *rest, **more))
    tree.require_name("Sub/Name.txt")
    for other in ("Sub/NAME.TXT", "Sub/name.txt", "sub/Name.txt"):
        with pytest.raises(DestinationError, match="takes its name for that of another"):
            tree.require_name(other)
