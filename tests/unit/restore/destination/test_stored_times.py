"""Files are restored as well where they cannot be given their times."""

import errno
import os
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

from casfs.client import RestorableFile
from casfs.restore.destination.existing_files import Overwrite
from casfs.restore.destination.manifest import ManifestLine
from casfs.restore.destination.stored_times import set_time, stores_times
from casfs.restore.survey import Survey

SECOND = 10**9


@pytest.fixture
def directory(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO])
def test_times_that_are_refused_are_left_out_and_known_before(directory, monkeypatch, code):
    assert stores_times(directory)

    def refuses(*arguments, **more):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "utime", refuses)
    if code == errno.EIO:
        with pytest.raises(OSError, match=r"nput/output"):
            set_time(directory, SECOND)
    else:
        set_time(directory, SECOND)
        assert not stores_times(directory)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(lambda at: at // (2 * SECOND) * 2 * SECOND, True), (lambda at: 0, False)],
    ids=["two seconds", "none"],
)
def test_a_file_system_is_known_by_what_it_keeps(directory, monkeypatch, stored, expected):
    store = os.utime
    monkeypatch.setattr(os, "utime", lambda file, ns: store(file, ns=(stored(ns[0]),) * 2))
    assert stores_times(directory) is expected


@pytest.mark.parametrize(
    ("stores", "current", "overwrite", "expected"),
    [
        (True, True, Overwrite.IF_CHANGED, False),
        (False, True, Overwrite.IF_CHANGED, True),
        (False, False, Overwrite.IF_CHANGED, True),
        (False, True, Overwrite.ALWAYS, True),
        (False, False, Overwrite.ALWAYS, False),
    ],
)
def test_what_a_restore_has_written_is_known_again_without_its_time(
    tmp_path, stores, current, overwrite, expected
):
    """Else a restore that goes on, or is run once more, would fetch all of it again."""
    (tmp_path / "a").write_bytes(b"12345")
    file = RestorableFile("1", "a", 5, 4_000_000_000 * SECOND, None, 0)
    line = ManifestLine(path="a", archive="1", state="verified", size=5)
    parts: dict[str, Any] = dict.fromkeys(one.name for one in fields(Survey))
    parts |= {
        "manifest": SimpleNamespace(is_current=lambda path: current, get=lambda path: line),
        "overwrite": overwrite,
        "stores_times": stores,
    }
    survey = Survey(**parts)
    assert survey._is_restored_by_us(file, (tmp_path / "a").stat()) is expected
