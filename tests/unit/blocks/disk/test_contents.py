"""What is removed from the cache while a running mount evicts it."""

import shutil

import pytest

from casfs.blocks.disk.contents import CacheContents
from casfs.private import PrivateDirectory

KEY = "ab" * 32


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("gone", ["output", "kept"])
def test_what_is_evicted_at_the_same_moment_counts_as_removed(tmp_path, gone, force):
    output = tmp_path / KEY[:2] / KEY[2:]

    class Evicted(PrivateDirectory):
        def check_directory(self, path):
            there = super().check_directory(path)
            if gone == "output" and path == output:
                shutil.rmtree(output)
            return there

        def entries(self, path):
            found = super().entries(path)
            (output / "kept").unlink(missing_ok=True)
            return found

    private = Evicted(tmp_path)
    private.make_below(output.parent)
    output.mkdir(mode=0o700)
    (output / "kept").write_bytes(b"data")
    assert CacheContents(tmp_path, private).remove(KEY, force)
    assert not output.exists()
