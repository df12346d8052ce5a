"""One emulator without switches for all tests of a module that need no other."""

from collections.abc import Iterator

import pytest

from tests.emulator.running import RunningEmulator, running_emulator


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """An emulator with the defaults and an empty vault `v`."""
    with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
        running.create_vault("v")
        yield running
