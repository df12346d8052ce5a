"""A manifest that is read while a restore writes to it, and may cut off what it could not write."""

import json
import sqlite3

import pytest

from casfs.cli import main as command
from casfs.errors import ConfigError
from casfs.restore.destination.manifest_index import ManifestIndex
from casfs.restore.destination.sha256sums import sum_lines
from casfs.restore.report_data import report_data

HEADER = b'{"type": "header", "version": 1, "vault": "photos"}\n'


def line(path, **facts):
    known = {"type": "archive", "path": path, "archive": path, "state": "verified", "size": 1}
    return json.dumps(known | facts).encode() + b"\n"


def counted(index):
    """All that reads an index works; returns how many archives a report of it has."""
    known = [one.path for one in index.lines()]
    assert len(list(sum_lines(index))) == len(known)
    assert all(index.get(path).path == path for path in known)
    return report_data(index).all.archives


def test_lines_that_are_cut_off_never_counted(tmp_path):
    path = tmp_path / "manifest.jsonl"
    hashed = {"sha256": "0" * 64}
    lines = [line(name, **hashed) for name in ("a", "b", "c")]
    path.write_bytes(HEADER + b"".join(lines))
    with ManifestIndex(path) as index, path.open("r+b") as writer:
        assert counted(index) == 3
        # The disk was full, and half of what was to be written is cut off again.
        writer.truncate(path.stat().st_size - len(lines[2]) - 5)
        assert counted(index) == 1
        assert index.get("b") is None
        assert index.get("c") is None
        assert [one.path for one in index.lines()] == ["a"]
        # What comes in their place is found by the next who looks.
        writer.truncate(len(HEADER) + len(lines[0]))
        writer.seek(0, 2)
        writer.write(line("another of more letters", **hashed))
        writer.flush()
        assert counted(index) == 1
    with ManifestIndex(path) as index:
        assert counted(index) == 2


def test_a_line_without_its_end_is_not_there_yet(tmp_path):
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(HEADER + line("a") + line("b")[:-1])
    with ManifestIndex(path) as index:
        assert ([one.path for one in index.lines()], index.damaged) == (["a"], 0)


@pytest.mark.parametrize("begun", [b"", HEADER[:20]])
def test_a_restore_that_has_only_just_begun_is_said_to_have(tmp_path, begun):
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(begun)
    with pytest.raises(ConfigError, match="holds nothing yet"):
        ManifestIndex(path)


def test_a_temporary_file_without_room_is_no_bug(monkeypatch, capsys):
    def fail(**_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(command, "_prepare", lambda: None)
    monkeypatch.setattr(command.casfs, "main", fail)
    with pytest.raises(SystemExit) as ended:
        command.main()
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert "database or disk is full" in told
    assert "SQLITE_TMPDIR" in told
