"""Manifests from anybody: each line is checked; no damaged one is passed over in silence."""

import json

import pytest

from casfs.cli.restored_check import verify_restored
from casfs.cli.show import size_text
from casfs.errors import ConfigError, DestinationError
from casfs.restore.destination.manifest_index import ManifestIndex
from casfs.restore.destination.opened_tree import split
from casfs.restore.report_data import report_data
from casfs.restore.report_page import report_page

HEADER = {"type": "header", "version": 1, "vault": "photos", "destination": "/mnt/new"}
GOOD = {"type": "archive", "path": "a", "archive": "1", "state": "verified", "size": 1}
WRONG: tuple[dict[str, object], ...] = (
    {"archive": None},
    {"archive": 7},
    {"state": ["verified"]},
    {"state": "excellent"},
    {"size": "1"},
    {"size": -1},
    {"size": True},
    {"size": 1 << 80},
    {"algorithm": ["sha256-tree"]},
    {"tree_hash": 5},
    {"sha256": {}},
    {"reason": []},
    {"times": []},
    {"times": {"fetched": "yesterday"}},
    {"times": {"fetched": 5}},
    {"times": {"fetched": "0001-01-01T00:00:00+14:00"}},
    {"fetched": "much"},
    {"path": "\ud800"},
)


def manifest(tmp_path, *lines):
    path = tmp_path / ".casfs-restore" / "manifest.jsonl"
    path.parent.mkdir(exist_ok=True)
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(text + b"\n" for text in [json.dumps(HEADER).encode(), *texts]))
    return path


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_line_with_a_wrong_fact_is_damaged(tmp_path, wrong):
    with ManifestIndex(manifest(tmp_path, GOOD | {"path": "b"}, GOOD | wrong)) as index:
        assert [line.path for line in index.lines()] == ["b"]
        assert index.damaged == 1
        assert report_data(index).all.archives == 1


@pytest.mark.parametrize(
    "damaged",
    [
        b"[" * 200_000,
        b"{}",
        b"7",
        b'{"type": "arch',
        b"\xff\xfe",
        b"x" * (5 << 20),
        b'{"type": 1e999}',
    ],
    ids=["deep", "empty", "number", "torn", "binary", "huge", "infinite"],
)
def test_a_damaged_line_is_counted_and_verify_does_not_pass(tmp_path, capsys, damaged):
    (tmp_path / "a").write_bytes(b"x")
    sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    manifest(tmp_path, damaged, GOOD | {"sha256": sha256})
    status = verify_restored(str(tmp_path), {"verbose": False, "as_json": False})
    told = capsys.readouterr()
    assert "as restored: 1 (" in told.out
    assert "1 line of the manifest is damaged" in told.err
    assert status == 1


def test_a_line_that_was_being_written_is_not_damaged(tmp_path):
    path = manifest(tmp_path, GOOD)
    path.write_bytes(path.read_bytes() + b'{"type": "archive", "path": "b", "arch')
    with ManifestIndex(path) as index:
        assert (len(index), index.damaged) == (1, 0)


@pytest.mark.parametrize("header", [b'{"type": "header", "version": 1e999}', b"[" * 200_000])
def test_a_header_that_is_none_is_refused(tmp_path, header):
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(header + b"\n")
    with pytest.raises(ConfigError, match="is not a manifest"):
        ManifestIndex(path)


@pytest.mark.parametrize(
    "path",
    [
        ".CASFS-Restore/manifest.jsonl",
        ".casfs-restore./manifest.jsonl",
        ".ca\u017ffs-restore/lock",
        f".casfs-{32 * 'a'}.part",
        f"x/.Casfs-{32 * '0'}.LEAVES",
    ],
)
def test_names_of_what_casfs_writes_are_not_restored(path):
    with pytest.raises(DestinationError, match="casfs"):
        split(path)


def test_names_alike_are_restored():
    for path in (".casfs-restored/x", "x/.casfs-restore/y", ".casfs-notes.part", "..."):
        assert "/".join(split(path)) == path


def test_a_page_has_nothing_from_a_manifest_but_text(tmp_path):
    evil = "<script>alert(1)</script>&\x1b[2J"
    end = {"type": "end", "status": evil, "run": evil, "time": evil, "reason": evil}
    line = GOOD | {"state": "failed", "reason": evil, "path": evil}
    path = manifest(tmp_path, line, end, b"torn")
    header = json.dumps({**HEADER, "vault": evil, "destination": evil, "dialect": evil})
    path.write_bytes(path.read_bytes().replace(json.dumps(HEADER).encode(), header.encode(), 1))
    with ManifestIndex(path) as index:
        data = report_data(index)
    page = "".join(report_page(data, evil, size_text))
    assert "<script" not in page
    assert "\x1b" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;\\x1b[2J") >= 8
    assert "1 line of the manifest is damaged" in page
