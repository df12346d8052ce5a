"""A cache on a file system that knows less than others, or that fails to read: all is right."""

import errno
import fcntl
import os
from typing import Any

import pytest

from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, root
from tests.support.blocks import bringing
from tests.support.server import serving

DATA = random_bytes(3 * MIB + 5, seed=21)
OUTPUT = output_of_bytes(DATA, root(DATA))


def refuses(number, when=lambda *_: True):
    """Make a call fail for some arguments."""

    def refusing(call):
        def made(*arguments, **more):
            if when(*arguments):
                raise OSError(number, os.strerror(number))
            return call(*arguments, **more)

        return made

    return refusing


def is_direct(path, flags=0, *_):
    return bool(flags & os.O_DIRECT)


def is_direct_file(file, *_):
    return bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT)


MISSING: dict[str, Any] = {
    "locks": (fcntl, "flock", refuses(errno.ENOLCK)),
    "direct access at open": (os, "open", refuses(errno.EINVAL, is_direct)),
    "direct writes": (os, "write", refuses(errno.EINVAL, is_direct_file)),
    "direct reads": (os, "preadv", refuses(errno.EINVAL, is_direct_file)),
    "holes": (os, "lseek", refuses(errno.EINVAL, lambda file, at, how: how == os.SEEK_DATA)),
}


def read_all(reader):
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, reader.size, MIB))


def sent(server):
    """Bytes of the output that were asked for."""
    return sum(stop - first for first, stop in server.spans())


@pytest.mark.parametrize("missing", MISSING)
def test_what_was_read_is_read_again_from_the_disk(tmp_path, monkeypatch, missing):
    module, name, refusing = MISSING[missing]
    monkeypatch.setattr(module, name, refusing(getattr(module, name)))
    with serving(Archive(DATA)) as server:
        for _ in range(2):
            with bringing(server.url, tmp_path) as parts:
                assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.count("rotten_blocks") == 0
        assert sent(server) == len(DATA)


@pytest.mark.parametrize("what", ["preadv", "pread"], ids=["blocks", "hashes"])
def test_what_cannot_be_read_is_fetched_again(tmp_path, monkeypatch, what):
    with serving(Archive(DATA)) as server:
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
        monkeypatch.setattr(os, what, refuses(errno.EIO)(getattr(os, what)))
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
        assert sent(server) == 2 * len(DATA)
