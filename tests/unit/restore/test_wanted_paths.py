"""Which archives are restored."""

import tracemalloc

import pytest

from casfs.restore.wanted_paths import Elsewhere, WantedPaths


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


def test_what_another_disk_has_takes_no_memory(tmp_path):
    count = 100_000
    tracemalloc.start()
    elsewhere = Elsewhere("manifest.jsonl", (f"{number:0138}" for number in range(count)))
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken < 10 * count
    assert elsewhere.has(f"{count - 1:0138}")
    assert not elsewhere.has(f"{count:0138}")
