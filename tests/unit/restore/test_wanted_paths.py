"""Which archives are restored."""

import pytest

from casfs.restore.wanted_paths import WantedPaths


@pytest.mark.parametrize(
    ("wanted", "path", "expected"),
    [
        (WantedPaths(), "a/b.tif", True),
        (WantedPaths(("*.tif",)), "a/b.tif", True),
        (WantedPaths(("*.tif",)), "a/b.txt", False),
        (WantedPaths(("a",)), "a/b.tif", True),
        (WantedPaths(("a/*",)), "a/b/c.tif", True),
        (WantedPaths(("b/*",)), "a/b/c.tif", False),
        (WantedPaths(("a",), ("*.tif",)), "a/b.tif", False),
        (WantedPaths((), ("a/b",)), "a/b/c", False),
        (WantedPaths(listed=frozenset({"a/b"})), "a/b/c", True),
        (WantedPaths(listed=frozenset({"a/b"})), "a/bc", False),
    ],
)
def test_paths_are_compared_with_patterns_and_lists(wanted, path, expected):
    assert wanted.wants(path) is expected
