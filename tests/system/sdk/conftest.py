"""What the tests of several SDKs need."""

import pytest

from tests.system.sdk.content import Files, written


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What the SDKs of the Python 2 era upload."""
    return written(tmp_path_factory.mktemp("files"))
