"""What the SDKs upload: one file below and one above the size at which they turn to parts."""

from pathlib import Path
from typing import TypedDict

from tests.support.random_data import random_bytes

MIB = 1 << 20
SMALL = random_bytes(3 * MIB + 17, seed=1)
LARGE = random_bytes(129 * MIB + 17, seed=2)
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
