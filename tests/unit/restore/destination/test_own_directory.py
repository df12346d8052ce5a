"""The directory that casfs keeps in that of a restore, on file systems that know less."""

import errno
import os

import pytest

from casfs.errors import DestinationBusyError, DestinationDiskError, DestinationSyncError
from casfs.restore.destination.opened_tree import OpenedTree
from casfs.restore.destination.own_directory import OwnDirectory, open_manifest_at


def test_a_file_system_that_counts_no_links_is_not_busy_but_another_restore_is(
    tmp_path, monkeypatch
):
    """FUSE file systems without hard links may say that a file has none."""
    status = os.fstat

    def linkless(file):
        found = list(status(file))
        found[3] = 0
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", linkless)
    with OwnDirectory(OpenedTree(tmp_path)), pytest.raises(DestinationBusyError):
        OwnDirectory(OpenedTree(tmp_path))
    with OwnDirectory(OpenedTree(tmp_path)):
        pass


def test_a_lock_that_was_removed_before_it_was_locked_is_none(tmp_path, monkeypatch):
    first = OwnDirectory(OpenedTree(tmp_path))
    opened = os.open

    def late(name, *arguments, **more):
        file = opened(name, *arguments, **more)
        if name == "lock":
            first.__exit__()
        return file

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(DestinationBusyError):
        OwnDirectory(OpenedTree(tmp_path))


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP, errno.EIO])
def test_directories_that_cannot_be_synced_are_used_unless_the_disk_fails(
    tmp_path, monkeypatch, code
):
    sync = os.fsync

    def fsync(file):
        if os.path.isdir(f"/proc/self/fd/{file}"):
            raise OSError(code, os.strerror(code))
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    if code == errno.EIO:
        with pytest.raises(DestinationDiskError):
            OwnDirectory(OpenedTree(tmp_path))
        return
    with OwnDirectory(OpenedTree(tmp_path)) as own:
        os.close(own.open_manifest())
        own.replace_sums(iter([b"line\n"]))
        assert own.sums.read_bytes() == b"line\n"
    os.close(open_manifest_at(tmp_path / "elsewhere"))


def test_a_disk_that_cannot_sync_files_is_said_to_be_so(tmp_path, monkeypatch):
    sync = os.fsync

    def fsync(file):
        if os.path.isfile(f"/proc/self/fd/{file}"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    with OwnDirectory(OpenedTree(tmp_path)) as own:
        with pytest.raises(DestinationSyncError, match=r"SHA256SUMS: .* cannot sync files"):
            own.replace_sums(iter([b"line\n"]))
        assert os.listdir(own.sums.parent) == ["lock"]
