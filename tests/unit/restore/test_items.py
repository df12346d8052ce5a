"""Ranges and parts of archives, as jobs take them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import ConfigError
from casfs.ledger.request import TO_THE_END, last_byte
from casfs.restore.items import Item, is_verifiable, parse_range, ranged, split

MIB = 1 << 20


def whole(size):
    return Item("one", "one.bin", 0, TO_THE_END, size, 0, whole=True)


@given(st.integers(1, 200 * MIB), st.integers(MIB, 64 * MIB))
def test_parts_are_subtrees_that_make_up_the_archive(size, limit):
    parts = list(split(whole(size), limit))
    ends = [part.first + (part.size or 0) - 1 for part in parts]
    assert [part.first for part in parts] == [0, *(end + 1 for end in ends[:-1])]
    assert ends[-1] == size - 1
    for part, end in zip(parts, ends, strict=True):
        assert last_byte(part.first, part.last, part.size) == end
        assert part.size <= limit
        assert is_verifiable(part, size)


@pytest.mark.parametrize(
    ("first", "last", "verifiable"),
    [(0, 2 * MIB - 1, True), (MIB, 3 * MIB - 1, False), (2 * MIB, 3 * MIB - 1, True)],
)
def test_only_a_subtree_can_be_verified(first, last, verifiable):
    part = ranged(whole(5 * MIB), (first, last))
    assert part is not None
    assert is_verifiable(part, 5 * MIB) is verifiable


def test_a_range_ends_with_its_archive():
    part = ranged(whole(MIB + 5), (MIB, 10 * MIB))
    assert part is not None
    assert (part.first, part.last, part.size, part.byte_range) == (MIB, MIB + 4, 5, (MIB, MIB + 4))
    assert ranged(whole(MIB), (MIB, 2 * MIB - 1)) is None
    all_of_it = ranged(whole(MIB), (0, MIB - 1))
    assert all_of_it is not None
    assert all_of_it == whole(MIB)
    assert all_of_it.byte_range is None


@pytest.mark.parametrize("text", ["", "5", "a-b", "-5", "5-", "10-5", "5-1048575"])
def test_what_is_not_a_range_is_refused(text):
    with pytest.raises(ConfigError, match="--range"):
        parse_range(text)


def test_a_range_that_ends_inside_a_mib_is_refused_with_the_next_end():
    with pytest.raises(ConfigError, match=str(2 * MIB - 1)):
        ranged(whole(5 * MIB), (0, MIB))
