"""What the SDKs upload: one file below and one above the size at which they turn to parts."""

from pathlib import Path
from random import Random
from typing import TypedDict

MIB = 1 << 20
SMALL = Random(1).randbytes(3 * MIB + 17)
LARGE = Random(2).randbytes(129 * MIB + 17)
"""More than two parts of 64 MiB, the least of oassdk, and more than 100 MiB, where cassdk turns."""


class Files(TypedDict):
    """Where the two are."""

    small: Path
    large: Path


def written(folder: Path) -> Files:
    """Write both into a folder."""
    files: Files = {"small": folder / "small", "large": folder / "large"}
    files["small"].write_bytes(SMALL)
    files["large"].write_bytes(LARGE)
    return files
