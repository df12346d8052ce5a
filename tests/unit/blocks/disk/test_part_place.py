"""Files of a restore that have no name yet: ours alone, on any file system."""

import os

import pytest

from casfs.blocks.disk.part_place import PartPlace
from casfs.errors import DestinationError

SOMEBODY = 54321


@pytest.fixture
def place(tmp_path):
    directory = os.open(tmp_path, os.O_RDONLY)
    yield PartPlace(directory, "ab" * 32, "a.bin")
    os.close(directory)


def test_a_file_system_that_gives_all_files_to_one_user_is_written_to(tmp_path, monkeypatch):
    """As vfat and CIFS do with `uid=`: who runs this owns nothing there, not even what is new."""
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(2):
            # The second time it is found again.
            os.close(PartPlace(directory, "ab" * 32, "a.bin").open_data())
    finally:
        os.close(directory)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]


def test_a_file_of_somebody_else_is_refused(place, tmp_path, monkeypatch):
    os.close(place.open_data())
    status = os.fstat

    def other(file):
        found = status(file)
        if ".part" not in os.readlink(f"/proc/self/fd/{file}"):
            return found
        return os.stat_result(SOMEBODY if n == 4 else fact for n, fact in enumerate(found))

    monkeypatch.setattr(os, "fstat", other)
    with pytest.raises(DestinationError, match="belongs to somebody else"):
        place.open_data()
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
