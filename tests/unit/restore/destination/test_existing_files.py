"""Which files a restore replaces."""

import os
from pathlib import Path

import pytest

from casfs.errors import DestinationError
from casfs.restore.destination.existing_files import Existing, Overwrite, judge_existing

AT = 1_000_000_000 * 10**9 + 123


def status(path: Path, size: int, at: int) -> os.stat_result:
    path.write_bytes(bytes(size))
    os.utime(path, ns=(at, at))
    return path.lstat()


@pytest.mark.parametrize(
    ("size", "at", "overwrite", "checksum", "expected"),
    [
        (5, AT, "if-changed", False, Existing.SAME),
        (5, AT, "if-changed", True, Existing.COMPARE),
        (5, AT // 10**9 * 10**9, "if-changed", False, Existing.SAME),
        (5, AT - 10**10, "if-changed", False, Existing.REPLACE),
        (6, AT - 10**10, "if-changed", True, Existing.REPLACE),
        (6, AT, "if-changed", False, Existing.REPLACE),
        (5, AT + 10**10, "if-changed", False, Existing.NEWER),
        (4, AT + 10**10, "if-changed", False, Existing.DIFFERENT),
        (6, AT + 10**10, "if-changed", True, Existing.DIFFERENT),
        (6, AT + 10**10, "always", False, Existing.REPLACE),
        (6, AT - 10**10, "never", False, Existing.KEPT),
    ],
)
def test_size_and_time_decide(tmp_path, size, at, overwrite, checksum, expected):
    found = status(tmp_path / "file", size, at)
    assert judge_existing(found, 5, AT, Overwrite(overwrite), checksum) is expected


def test_what_is_not_a_file_is_in_the_way(tmp_path):
    (tmp_path / "link").symlink_to("elsewhere")
    link = (tmp_path / "link").lstat()
    assert judge_existing(None, 5, AT, Overwrite.NEVER, False) is Existing.ABSENT
    for found, overwrite in ((tmp_path.lstat(), "always"), (link, "if-changed")):
        with pytest.raises(DestinationError, match="move it away"):
            judge_existing(found, 5, AT, Overwrite(overwrite), False)
    assert judge_existing(link, 5, AT, Overwrite.ALWAYS, False) is Existing.REPLACE
