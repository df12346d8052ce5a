"""Index arithmetic against brute force over the definition of the hash tree."""

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.ranges import BLOCK_SIZE, Layout, runs
from casfs.treehash import SHA256
from tests.support.subtrees import is_subtree


@functools.cache
def nodes(leaves: int) -> frozenset[tuple[int, int]]:
    """All nodes of a tree of N leaves, by joining neighbours level by level as the hash does."""
    level = [(leaf, leaf + 1) for leaf in range(leaves)]
    found = set(level)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [(left[0], right[1]) for left, right in pairs] + odd
        found.update(level)
    return frozenset(found)


def layout_of(blocks: int, first_leaf: int | None, leaves: int, last: int = BLOCK_SIZE) -> Layout:
    return Layout((blocks - 1) * BLOCK_SIZE + last, first_leaf, leaves)


def test_subtrees_are_the_nodes_of_the_tree():
    for leaves in range(1, 200):
        known = nodes(leaves)
        found = {
            (a, b)
            for a in range(leaves)
            for b in range(a + 1, leaves + 1)
            if is_subtree(range(a, b), leaves)
        }
        assert found == known


@st.composite
def runs_of_archives(draw):
    """An archive, a retrieved run of its leaves, and a run of the output's blocks."""
    leaves = draw(st.integers(1, 199))
    first = draw(st.integers(0, leaves - 1))
    stop = draw(st.integers(first + 1, leaves))
    a = draw(st.integers(0, stop - first - 1))
    b = draw(st.integers(a + 1, stop - first))
    return leaves, first, stop, range(a, b)


@given(runs_of_archives(), st.integers(0, 7).map(lambda k: 1 << k))
def test_a_split_covers_the_run_with_the_largest_subtrees(archive, limit):
    leaves, first, stop, run = archive
    parts = list(layout_of(stop - first, first, leaves).split(run, limit))
    assert [block for part in parts for block in part] == list(run)
    for part in parts:
        a, b = part.start + first, part.stop + first
        assert (a, b) in nodes(leaves)
        assert len(part) <= limit
        larger = [n for n in nodes(leaves) if n[0] == a and b < n[1] <= run.stop + first]
        assert all(n[1] - n[0] > limit for n in larger), f"{part} could be {larger}"


@given(st.integers(1, 500), st.integers(1, 16), st.data())
def test_where_blocks_are_no_leaves_multiples_of_the_limit_cut(blocks, limit, data):
    start = data.draw(st.integers(0, blocks - 1))
    run = range(start, data.draw(st.integers(start + 1, blocks)))
    parts = list(layout_of(blocks, None, 0).split(run, limit))
    assert [block for part in parts for block in part] == list(run)
    assert all(part.stop % limit == 0 for part in parts[:-1])
    assert all(1 <= len(part) <= limit for part in parts)


def test_the_example_of_the_documentation():
    assert list(layout_of(20, 0, 20).split(range(3, 9), 8)) == [
        range(3, 4),
        range(4, 8),
        range(8, 9),
    ]
    assert list(layout_of(20, 0, 20).split(range(20), 8)) == [
        range(8),
        range(8, 16),
        range(16, 20),
    ]


@pytest.mark.parametrize("leaves", [1, 2, 3, 5, 8, 13, 21])
def test_the_root_of_a_subtree_is_a_node_of_the_whole_tree(leaves):
    """What a range's hash is compared with is what the service computed over the archive."""
    digests = [SHA256.leaf(bytes([leaf])) for leaf in range(leaves)]
    level: list[bytes] = list(digests)
    made = set(level)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [SHA256.join(left, right) for left, right in pairs] + odd
        made.update(level)
    for a in range(leaves):
        for b in range(a + 1, leaves + 1):
            in_tree = SHA256.root(digests[a:b]) in made
            assert in_tree == is_subtree(range(a, b), leaves)


@given(st.sets(st.integers(0, 300)))
def test_runs_join_neighbours_and_nothing_else(blocks):
    found = list(runs(sorted(blocks)))
    assert [block for run in found for block in run] == sorted(blocks)
    assert all(left.stop < right.start for left, right in itertools.pairwise(found))


@given(st.integers(1, 40 << 20), st.integers(0, 41 << 20), st.integers(0, 3 << 20))
def test_touched_blocks_hold_exactly_the_bytes_asked_for(size, offset, count):
    layout = Layout(size)
    wanted = range(offset, min(offset + count, size))
    run = layout.touched(offset, count)
    if not wanted:
        assert not run
        return
    first, stop = layout.span(run)
    assert first <= wanted.start < first + BLOCK_SIZE
    assert wanted.stop <= stop
    assert stop - layout.length(run[-1]) < wanted.stop


@given(st.integers(1, 1 << 45))
def test_lengths_add_up_to_the_size(size):
    layout = Layout(size)
    assert (layout.blocks - 1) * BLOCK_SIZE + layout.length(layout.blocks - 1) == size
    assert 1 <= layout.length(layout.blocks - 1) <= BLOCK_SIZE
    assert layout.span(range(layout.blocks)) == (0, size)
