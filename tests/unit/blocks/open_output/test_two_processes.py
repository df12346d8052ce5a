"""Several processes may share a cache; what one receives says nothing of what another handed on."""

import pytest

from casfs.errors import OutputMismatchError
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, root, wrong_at
from tests.support.blocks import block_files, bringing
from tests.support.processes import wait_until
from tests.support.server import serving

DATA = random_bytes(6 * MIB + 777, seed=3)
OUTPUT = output_of_bytes(DATA, root(DATA))
THIRD = slice(3 * MIB, 4 * MIB)


def read_all(reader):
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, reader.size, MIB))


def wait_until_kept(folder, number, data):
    wait_until(
        lambda: (path := block_files(folder).get(str(number))) and path.read_bytes() == data,
        f"block {number} to be on disk",
    )


@pytest.fixture
def good():
    with serving(Archive(DATA, hashes=False)) as server:
        yield server


@pytest.fixture
def bad():
    with serving(Archive(DATA, hashes=False, spoil=wrong_at(THIRD.start))) as server:
        yield server


def test_what_another_received_is_not_what_was_verified_here(tmp_path, good, bad):
    with (
        bringing(good.url, tmp_path, memory=MIB) as one,
        bringing(bad.url, tmp_path) as other,
    ):
        late = other.reader(OUTPUT)
        reader = one.reader(OUTPUT)
        assert read_all(reader) == DATA
        assert reader.cacheable
        wait_until_kept(tmp_path, 3, DATA[THIRD])
        wrong = bytes(late.pread(MIB, THIRD.start))
        assert wrong != DATA[THIRD], "nothing can tell yet"
        wait_until_kept(tmp_path, 3, wrong)
        assert bytes(reader.pread(MIB, THIRD.start)) == DATA[THIRD]


def test_what_another_received_does_not_verify_what_was_handed_on_here(tmp_path, good, bad):
    with bringing(bad.url, tmp_path) as one, bringing(good.url, tmp_path) as other:
        late = other.reader(OUTPUT)
        reader = one.reader(OUTPUT)
        wrong = bytes(reader.pread(MIB, THIRD.start))
        assert wrong != DATA[THIRD], "nothing can tell yet"
        wait_until_kept(tmp_path, 3, wrong)
        assert bytes(late.pread(MIB, THIRD.start)) == DATA[THIRD]
        wait_until_kept(tmp_path, 3, DATA[THIRD])
        with pytest.raises(OutputMismatchError):
            read_all(reader)
        assert one.cache.open(OUTPUT).verified() == "no"
