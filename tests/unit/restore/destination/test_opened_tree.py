"""Directories of a restore: no path leads out of it, and no link is followed."""

import os

import pytest

from casfs.errors import DestinationError
from casfs.restore.destination.opened_tree import OpenedTree, split
from casfs.restore.destination.placing import FileAppearedError, place, set_facts


@pytest.mark.parametrize(
    "path", ["", "..", "a/../b", "/etc/passwd", "a//b", "a/.", "a\0b", ".casfs-restore/lock"]
)
def test_a_hostile_path_is_refused(path, tmp_path):
    with pytest.raises(DestinationError):
        split(path)
    with pytest.raises(DestinationError):
        OpenedTree(tmp_path / "dest").status(path)


def test_a_link_that_is_swapped_in_is_not_followed(tmp_path):
    tree, outside = OpenedTree(tmp_path / "dest"), tmp_path / "outside"
    outside.mkdir()
    assert tree.directory(("a", "b"), make=True) is not None
    tree.forget()
    os.rename(tmp_path / "dest/a", tmp_path / "dest/moved")
    (tmp_path / "dest/a").symlink_to(outside)
    with pytest.raises(DestinationError, match="is a link where a directory must be"):
        tree.directory(("a", "b"), make=True)
    assert list(outside.iterdir()) == []


def test_a_name_that_is_too_long_is_named(tmp_path):
    tree = OpenedTree(tmp_path)
    with pytest.raises(DestinationError, match="does not allow the name"):
        tree.directory(("x" * 256,), make=True)


def test_a_file_gets_mode_and_a_time_before_1970_with_its_name(tmp_path):
    tree = OpenedTree(tmp_path)
    (tmp_path / ".part").write_bytes(b"bytes")
    file = os.open(tmp_path / ".part", os.O_RDWR)
    set_facts(file, -5_000_000_001, 0o640)
    os.close(file)
    place(tree, tree.top, ".part", "name", replace=False)
    found = (tmp_path / "name").stat()
    assert (found.st_mtime_ns, found.st_mode & 0o777) == (-5_000_000_001, 0o640)
    (tmp_path / ".part").write_bytes(b"other")
    with pytest.raises(FileAppearedError):
        place(tree, tree.top, ".part", "name", replace=False)
    place(tree, tree.top, ".part", "name", replace=True)
    assert (tmp_path / "name").read_bytes() == b"other"


def test_a_name_that_the_file_system_takes_for_another_replaces_nothing(tmp_path, monkeypatch):
    tree = OpenedTree(tmp_path)
    for name in (".part", "Straße"):
        (tmp_path / name).write_bytes(name.encode())
    lstat = os.lstat

    def ignoring_case(path, **more):
        return lstat("Straße" if path == "STRASSE" else path, **more)

    monkeypatch.setattr(os, "lstat", ignoring_case)
    monkeypatch.setattr(OpenedTree, "ignores_case", True)
    with pytest.raises(DestinationError, match="takes the name for that of Straße"):
        place(tree, tree.top, ".part", "STRASSE", replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".part", "Straße"]


def test_a_listing_that_misses_a_name_does_not_make_it_another(tmp_path, monkeypatch):
    """By FUSE a large directory is listed in pieces, while other files in it get their names."""
    tree, listed = OpenedTree(tmp_path), os.listdir
    for name in (".part", "name"):
        (tmp_path / name).write_bytes(name.encode())
    listings = [[".part"]]
    monkeypatch.setattr(OpenedTree, "ignores_case", True)
    monkeypatch.setattr(os, "listdir", lambda at: listings.pop() if listings else listed(at))
    place(tree, tree.top, ".part", "name", replace=True)
    assert (tmp_path / "name").read_bytes() == b".part"


@pytest.mark.parametrize("inode", [0, 1 << 40])
def test_a_file_system_that_ignores_case_is_known_by_what_it_lists(tmp_path, monkeypatch, inode):
    """By FUSE, a file may have another inode for each spelling of its name."""
    lstat = os.lstat

    def ignoring_case(path, **more):
        found = list(lstat(path.lower() if isinstance(path, str) else path, **more))
        found[1] += inode if path != str(path).lower() else 0
        return os.stat_result(found)

    assert not OpenedTree(tmp_path).ignores_case
    (tmp_path / ".casfs-restore").mkdir()
    assert not OpenedTree(tmp_path).ignores_case
    monkeypatch.setattr(os, "lstat", ignoring_case)
    assert OpenedTree(tmp_path).ignores_case
