"""One moto for all tests that only read from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.moto.restoring import SIZES
from tests.system.moto.serving import Amazon, moto


@pytest.fixture(scope="session")
def amazon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Amazon]:
    """A moto with a finished job for an archive of each of `SIZES`."""
    with moto(tmp_path_factory.mktemp("moto"), SIZES) as running:
        yield running


@pytest.fixture(scope="session")
def files(amazon: Amazon, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what each job brings, by its id."""
    folder = tmp_path_factory.mktemp("files")
    for job, data in amazon.files.items():
        (folder / job).write_bytes(data)
    return folder
