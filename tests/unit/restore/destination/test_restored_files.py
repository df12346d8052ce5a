"""Restored files against their manifest: what somebody changed, and what nothing explains."""

import os

import pytest

from casfs.cli.restored_check import verify_restored
from casfs.restore.destination.manifest import ManifestLine, ManifestWriter, archive_line

AT = 1_000_000_000
DAY = 86_400
SUM = {
    "a": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
    "b": "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
}
"""SHA-256 of a file with its name as its only byte."""


@pytest.fixture
def restored(tmp_path):
    own = tmp_path / ".casfs-restore"
    own.mkdir()
    path = own / "manifest.jsonl"
    writer = ManifestWriter(os.open(path, os.O_RDWR | os.O_CREAT), path, {"vault": "photos"})
    lines = [
        ManifestLine(
            path=name, archive=name, state="verified", size=1, mtime=f"{AT}.0", sha256=sum_
        )
        for name, sum_ in SUM.items()
    ]
    writer.append([archive_line(line) for line in lines])
    writer.close()
    for name in SUM:
        put(tmp_path / name, name, AT)
    return tmp_path


def put(path, text: str, at: float) -> None:
    path.write_text(text)
    os.utime(path, (at, at))


def verify(restored, capsys):
    status = verify_restored(str(restored), {"verbose": False, "as_json": False})
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.mark.parametrize("text", ["x", "xyz", ""], ids=["same size", "longer", "empty"])
def test_a_file_that_somebody_wrote_since_is_changed(restored, capsys, text):
    put(restored / "a", text, AT + DAY)
    status, out, errors = verify(restored, capsys)
    assert status == 1
    assert out.splitlines()[-1].startswith("as restored: 1 (")
    assert "; not as restored: 0; changed since: 1; without a hash: 0" in out
    assert errors.startswith("casfs: a: changed: it was written since it was restored: ")
    assert "casfs: changed since they were restored: 1; of 2 files" in errors


@pytest.mark.parametrize("text", ["x", "xyz", ""], ids=["same size", "longer", "empty"])
def test_other_bytes_under_the_time_of_the_archive_are_a_mismatch(restored, capsys, text):
    put(restored / "a", text, AT)
    status, out, errors = verify(restored, capsys)
    assert status == 3
    assert "not as restored: 1; changed since: 0" in out
    assert errors.startswith("casfs: a: mismatch: ")
    # What nothing explains weighs more.
    put(restored / "b", "x", AT + DAY)
    assert verify(restored, capsys)[0] == 3


def test_another_time_alone_changes_nothing_and_what_is_gone_is_missing(restored, capsys):
    put(restored / "a", "a", AT + DAY)
    assert verify(restored, capsys)[0] == 0
    (restored / "b").unlink()
    status, _, errors = verify(restored, capsys)
    assert (status, "b: missing: it is missing" in errors) == (3, True)
