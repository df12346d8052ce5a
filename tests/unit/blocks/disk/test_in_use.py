"""Who reads an output is seen by those who remove, whatever happened to its directory."""

import contextlib
import fcntl
import os
import shutil
import threading

import pytest

from casfs.blocks.disk.contents import CacheContents
from casfs.blocks.disk.eviction import Evictor
from casfs.blocks.disk.in_use import lock
from casfs.errors import ConfigError
from casfs.metrics import Metrics
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, renamed, root
from tests.support.blocks import block_files, bringing
from tests.support.processes import wait_until
from tests.support.server import serving

DATA = random_bytes(3 * MIB + 7, seed=4)
OUTPUT = output_of_bytes(DATA, root(DATA))
OTHER = renamed(OUTPUT, "other", "0d" * 32)


def is_in_use(parts, output=OUTPUT):
    return not CacheContents(parts.disk.directory, parts.disk.private).remove(
        output.key, force=False
    )


def directory(parts, output=OUTPUT):
    return parts.disk.store(output).path(0).parent.parent


def test_eviction_leaves_the_empty_directory_of_what_is_read(tmp_path):
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        reader, other = parts.reader(OUTPUT), parts.reader(OTHER)
        other.pread(1, 0)
        other.close()
        wait_until(lambda: block_files(tmp_path), "a block to be written")
        unread = directory(parts, renamed(OUTPUT, "unread", "0e" * 32))
        parts.disk.private.make_below(unread)
        Evictor(parts.disk.directory, 1, Metrics(), parts.disk.private).make_room()
        assert not unread.exists()
        assert directory(parts).is_dir()
        assert bytes(reader.pread(10, 0)) == DATA[:10]
        wait_until(parts.disk.store(OUTPUT).path(0).exists, "a block to be written")
        assert is_in_use(parts)
        reader.close()
        assert not is_in_use(parts)


def test_a_directory_that_is_made_again_is_in_use_as_well(tmp_path):
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(OUTPUT)
        shutil.rmtree(directory(parts))
        assert bytes(reader.pread(10, 0)) == DATA[:10]
        wait_until(
            lambda: block_files(tmp_path) and not parts.write_behind.unwritten, "it to be written"
        )
        assert is_in_use(parts)
        reader.close()
        assert not is_in_use(parts)


def test_a_link_in_the_place_of_a_directory_is_refused_until_it_is_gone(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path / "cache") as parts:
        opened = parts.cache.open(OUTPUT)
        link = directory(parts)
        parts.disk.private.make_below(link.parent)
        link.symlink_to(elsewhere)
        with pytest.raises(ConfigError, match="symbolic link"):
            parts.reader(OUTPUT)
        assert list(elsewhere.iterdir()) == []
        link.unlink()
        reader = parts.reader(OUTPUT)
        assert reader.pread(len(DATA), 0) == DATA
        assert opened.verified() == "yes"
        assert is_in_use(parts)
        reader.close()
        assert not is_in_use(parts)


def test_a_reader_does_not_wait_for_whoever_empties_its_directory(tmp_path):
    """It reads without a lock then: what is removed is fetched again."""
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        place = directory(parts)
        parts.disk.private.make_below(place)
        taken = lock(place, fcntl.LOCK_EX)
        assert taken is not None
        reader = parts.reader(OUTPUT)
        assert reader.pread(len(DATA), 0) == DATA
        os.close(taken.descriptor)
        reader.close()
        with contextlib.closing(parts.reader(OUTPUT)):
            assert is_in_use(parts)


def test_a_reader_that_begins_as_the_last_one_ends_is_noted(tmp_path, monkeypatch):
    class Lock:
        """Lets the other reader end just before the lock is taken."""

        def __init__(self, end):
            self._lock, self._end = threading.Lock(), end

        def __enter__(self):
            end, self._end = self._end, None
            if end is not None:
                end()
            return self._lock.__enter__()

        def __exit__(self, *raised):
            return self._lock.__exit__(*raised)

    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        use = parts.disk.store(OUTPUT).use
        use.begin()
        monkeypatch.setattr(use, "_lock", Lock(use.end))
        use.begin()
        assert is_in_use(parts)
        use.end()
        assert not is_in_use(parts)
