"""The screens in the documentation are what casfs shows."""

import tempfile
from pathlib import Path

from tests.support.screens import screens, shape

PAGE = Path(__file__).parents[3] / "docs" / "screens.md"


def test_the_screens_in_the_documentation_are_what_casfs_shows():
    with tempfile.TemporaryDirectory(prefix="c", dir="/tmp") as directory:
        made = screens(Path(directory))
    assert shape(made) == shape(PAGE.read_text("utf-8")), "run scripts/screens"
