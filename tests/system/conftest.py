"""Nothing is left behind: no mount and no process, whatever the tests did."""

from collections.abc import Iterator

import pytest

from tests.support.mounting import mountpoints
from tests.support.processes import SESSION, marked_processes


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    base = str(tmp_path_factory.getbasetemp())
    assert not [point for point in mountpoints() if point.startswith(base)]
    assert not marked_processes(SESSION)
