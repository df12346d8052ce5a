"""Names that a file system cannot hold, or takes for one, are known before anything is paid for."""

import errno
import os

import pytest

from casfs.errors import DestinationError
from casfs.restore.destination.name_rules import NameRules, TakenNames, probed_rules


@pytest.fixture
def directory(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_keeps_all_names_refuses_nothing(directory):
    assert probed_rules(directory) == NameRules()
    NameRules().require('a: b?/"c". /d.')


def test_characters_that_are_refused_or_dropped_are_named(directory, monkeypatch):
    real_open, real_unlink = os.open, os.unlink

    def fat_open(name, *arguments, **more):
        if set(name) & set('?*:"'):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real_open(name.rstrip("."), *arguments, **more)

    monkeypatch.setattr(os, "open", fat_open)
    monkeypatch.setattr(os, "unlink", lambda name, **more: real_unlink(name.rstrip("."), **more))
    rules = probed_rules(directory)
    assert rules == NameRules(frozenset('?*:"'), frozenset("."))
    for path, what in (("a/b: c/d", "allow ':' in"), ("a./b", "drops '.' at the end")):
        with pytest.raises(DestinationError, match=what):
            rules.require(path)
    rules.require("a/.b/c d")


def test_a_file_system_that_changes_capitals_is_known(directory, monkeypatch):
    """As NTFS-3G does with ignore_case."""
    real_open, real_unlink = os.open, os.unlink
    monkeypatch.setattr(os, "open", lambda name, *rest, **at: real_open(name.lower(), *rest, **at))
    monkeypatch.setattr(os, "unlink", lambda name, **at: real_unlink(name.lower(), **at))
    rules = probed_rules(directory)
    assert rules == NameRules(changes_case=True)
    rules.require("a/b.txt")
    with pytest.raises(DestinationError, match="changes the capital letters"):
        rules.require("a/Ä.txt")


def test_a_disk_that_takes_nothing_says_nothing_of_names(directory, monkeypatch):
    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", full)
    assert probed_rules(directory) == NameRules()


def test_paths_that_differ_in_case_alone_are_told_apart():
    taken = TakenNames()
    for path in ("a/B.jpg", "a/C.jpg", "b/b.jpg"):
        taken.take(path)
    for path in ("A/b.JPG", "a/c.jpg"):
        with pytest.raises(DestinationError, match="for that of another archive"):
            taken.take(path)
    taken.close()
