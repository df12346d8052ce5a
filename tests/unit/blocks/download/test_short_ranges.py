"""Servers that answer a range with its first bytes alone, as they may: less is asked for."""

import pytest

from casfs.errors import DeadlineError
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, root
from tests.support.blocks import bringing
from tests.support.server import serving

DATA = random_bytes(24 * MIB + 345)


class Sparing(Archive):
    """Gives at most so many bytes of a range, and says so; with the hash that fits them."""

    most = 0

    def answer(self, span):
        return super().answer((span[0], min(span[1], span[0] + self.most)))


def read(tmp_path, most, **settings):
    """Return what was asked for to read all, and how often that was not checked."""
    archive = Sparing(DATA)
    archive.most = most
    with (
        serving(archive) as server,
        bringing(server.url, tmp_path, attempts=None, **settings) as parts,
    ):
        reader = parts.reader(output_of_bytes(DATA, root(DATA)))
        for at in range(0, len(DATA), MIB):
            assert bytes(reader.pread(MIB, at)) == DATA[at : at + MIB]
        return server.spans(), parts.count("unchecked_blocks")


@pytest.mark.parametrize("connections", [1, 8])
@pytest.mark.parametrize("most", [MIB, 2_000_000, 2 * MIB, 3 * MIB, 3 * MIB + 1, 4 * MIB])
def test_blocks_are_asked_for_in_numbers_that_are_given(tmp_path, most, connections):
    spans, unchecked = read(tmp_path, most, connections=connections)
    assert unchecked == 0
    short = [span for span in spans if span[1] - span[0] > most]
    assert short, "large ranges were never asked for"
    assert len(set(short)) == len(short), "the same was asked for again"


def test_less_than_a_block_is_an_error_of_the_service(tmp_path):
    with pytest.raises(DeadlineError, match="answered 206"):
        read(tmp_path, MIB - 1, deadline=0.6)
