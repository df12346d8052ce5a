"""A kept file that rots while it is read, and cannot be made again as it was."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from casfs.blocks.derived_reader import DerivedReader
from casfs.blocks.disk.derived_files import DerivedFiles
from casfs.blocks.disk.staging import Temporary
from casfs.errors import OutputMismatchError
from casfs.metrics import Metrics
from tests.support.archive import MIB


def test_blocks_of_another_file_are_never_read_beside_those_of_the_first(tmp_path: Path) -> None:
    temporary = Temporary(tmp_path / "temporary")
    temporary.make()
    files = DerivedFiles(tmp_path, temporary, lambda size: None, Metrics())
    first = files.make([b"a" * 2 * MIB], lambda: "1" * 64)
    other = files.make([b"b" * 2 * MIB], lambda: "2" * 64)
    with (tmp_path / "11" / ("1" * 62) / "kept").open("r+b") as file:
        file.write(b"rotten")
    source: Any = SimpleNamespace(require_current=lambda: None, output="output")
    reader = DerivedReader(first, source, "inventory.csv", lambda bad: other)
    with pytest.raises(OutputMismatchError):
        reader.pread(5, 0)
    assert reader.pread(5, MIB) == b"aaaaa"
    reader.close()
