"""The manifest: appended to, whatever ends a process; the last line for a path holds."""

import errno
import os
import subprocess

import pytest

from casfs.errors import ConfigError, DestinationSyncError
from casfs.restore.destination.manifest import (
    ManifestLine,
    ManifestWriter,
    archive_line,
    mtime_text,
    to_nanoseconds,
)
from casfs.restore.destination.manifest_index import ManifestIndex
from casfs.restore.destination.sha256sums import sum_line

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def written(path, *lines) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    writer = ManifestWriter(file, path, {"vault": "photos"})
    writer.append([archive_line(one) for one in lines])
    writer.close()


def line(path: str, state: str) -> ManifestLine:
    return ManifestLine(path=path, archive=f"id of {path}", state=state)


def test_the_last_line_for_a_path_holds_and_a_torn_one_never(tmp_path):
    path = tmp_path / "manifest"
    written(path, line("a", "failed"), line("b", "verified"))
    with path.open("ab") as torn:
        torn.write(b'{"type": "archive", "path": "c", "state": "veri')
    written(path, line("a", "verified"), line("\udcff", "skipped"))
    with ManifestIndex(path) as index:
        found = {one.path: one.state for one in index.lines()}
        assert found == {"a": "verified", "b": "verified", "\udcff": "skipped"}
        assert len(index) == 3
        assert index.is_current("a")
        assert index.get("c") is None


def test_something_else_is_not_a_manifest(tmp_path):
    path = tmp_path / "manifest"
    for text in ("", "{}\n", '{"type": "header", "version": 2}\n', "\0\n"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            ManifestIndex(path)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_disk_that_cannot_sync_is_said_to_be_so(tmp_path, monkeypatch, number):
    """As some FUSE and network file systems: nothing is wrong with the name of the file."""

    def fsync(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DestinationSyncError, match=r"the manifest .* cannot sync files \(fsync\)"):
        written(tmp_path / "manifest", line("a", "verified"))


@pytest.mark.parametrize("at", [0, 1, -1, 10**18 + 7, -(10**18) - 7])
def test_times_are_exact(at):
    assert to_nanoseconds(mtime_text(at)) == at


@pytest.mark.parametrize("name", ["plain", "back\\slash", "line\nfeed", "return\r", " blank "])
def test_sha256sum_reads_the_sums(name, tmp_path):
    (tmp_path / name).touch()
    checked = subprocess.run(
        ["sha256sum", "-c", "-"], cwd=tmp_path, input=sum_line(EMPTY, name), capture_output=True
    )
    assert checked.returncode == 0, checked.stderr
