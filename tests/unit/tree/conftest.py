"""No test here leaves a thread behind."""

from collections.abc import Iterator

import pytest

from tests.support.leftovers import no_leftover_threads


@pytest.fixture(autouse=True, scope="module")
def _no_leftovers() -> Iterator[None]:
    with no_leftover_threads():
        yield
