"""A crash while the first line of a manifest is written does not end a restore for good."""

import os

import pytest

from casfs.errors import ConfigError
from casfs.restore.destination.line_check import is_begun
from casfs.restore.destination.manifest import ManifestWriter
from casfs.restore.destination.manifest_index import ManifestIndex


def write(path):
    writer = ManifestWriter(os.open(path, os.O_RDWR | os.O_CREAT), path, {"vault": "photos"})
    writer.append([{"type": "run", "run": "1"}])
    writer.close()


@pytest.mark.parametrize("torn", [b"", b"{", b'{"type": "header"}', bytes(4096)], ids=len)
def test_a_torn_header_is_written_anew(tmp_path, torn):
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(torn)
    assert not is_begun(path)
    write(path)
    assert is_begun(path)
    with ManifestIndex(path) as index:
        assert (index.header["vault"], len(index.runs), index.damaged) == ("photos", 1, 0)


@pytest.mark.parametrize("theirs", [b"my notes", b"my notes\n", b'{"type": "other"}\n'])
def test_a_file_of_the_user_is_left_as_it_is(tmp_path, theirs):
    path = tmp_path / "notes.txt"
    path.write_bytes(theirs)
    with pytest.raises(ConfigError, match="not a manifest"):
        write(path)
    assert path.read_bytes() == theirs
