"""What is known of an output's leaves survives restarts, and nothing wrong survives at all."""

import os
import tracemalloc

import pytest

from casfs.blocks.disk.leaf_index import LeafIndex
from casfs.blocks.verify import Forgiven, LeafVerdict, Trust, Verifier
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.treehash import SHA256
from tests.support.blocks import judge_leaf, put_leaf

N = 5
LAYOUT = Layout(N * BLOCK_SIZE - 7, 0, N)
LEAVES = [SHA256.leaf(bytes([n])) for n in range(N)]
ROOT = SHA256.root(LEAVES)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leaves"


def opened(path, layout=LAYOUT):
    return LeafIndex(path, layout, Verifier(SHA256))


def filled(path, trust=Trust.CHECKED):
    leaves = opened(path)
    for number, leaf in enumerate(LEAVES):
        put_leaf(leaves, number, leaf, trust)
    return leaves


def trusted(path):
    leaves = filled(path)
    leaves.trust_whole(ROOT, leaves.changes)


def test_looking_makes_no_file(path):
    leaves = opened(path)
    assert leaves.leaf(0) is None
    assert leaves.root() is None
    assert leaves.trust(0) is leaves.least_trust() is leaves.most_trust() is Trust.UNKNOWN
    assert not leaves.complete()
    assert not path.exists()


def test_what_is_recorded_is_there_after_a_restart(path):
    filled(path)
    again = opened(path)
    assert [again.leaf(n) for n in range(N)] == LEAVES
    assert again.complete()
    assert again.root() == ROOT
    assert again.least_trust() is Trust.CHECKED


def test_others_cannot_read_it(path):
    filled(path)
    assert path.stat().st_mode & 0o077 == 0


def test_a_root_needs_every_leaf(path):
    leaves = opened(path)
    for number in (0, 1, 2, 4):
        assert leaves.root() is None
        put_leaf(leaves, number, LEAVES[number], Trust.CHECKED)
    assert leaves.root() is None
    put_leaf(leaves, 3, LEAVES[3], Trust.CHECKED)
    assert leaves.root() == ROOT


def test_trust_in_the_whole_lasts_while_the_leaves_are_the_same(path):
    leaves = filled(path, Trust.UNCHECKED)
    leaves.trust_whole(ROOT, leaves.changes)
    assert leaves.trust(2) is leaves.least_trust() is Trust.WHOLE
    assert leaves.whole == ROOT
    put_leaf(leaves, 2, LEAVES[2], Trust.UNCHECKED)
    assert leaves.least_trust() is Trust.WHOLE
    assert put_leaf(leaves, 2, LEAVES[1], Trust.CHECKED) is LeafVerdict.WRONG
    assert leaves.leaf(2) == opened(path).leaf(2) == LEAVES[2]
    leaves.end_generation(0, [2])
    assert leaves.whole is None


def test_a_file_is_not_believed_that_the_whole_matched(path):
    trusted(path)
    with path.open("ab") as file:
        file.write(bytes((Trust.WHOLE,)) + ROOT)
    assert opened(path).whole is None
    assert opened(path).least_trust() is Trust.CHECKED


def test_a_whole_is_not_trusted_whose_leaf_changed_while_it_was_computed(path):
    leaves = filled(path, Trust.UNCHECKED)
    again = opened(path)
    changes = again.changes
    assert put_leaf(again, 2, LEAVES[1], Trust.UNCHECKED) is LeafVerdict.GOOD
    again.trust_whole(ROOT, changes)
    assert again.least_trust() is opened(path).least_trust() is Trust.UNCHECKED
    assert leaves.least_trust() is Trust.UNCHECKED


@pytest.mark.parametrize("known", [Trust.UNCHECKED, Trust.CHECKED])
@pytest.mark.parametrize("came", [Trust.UNCHECKED, Trust.CHECKED])
def test_a_leaf_that_differs_is_judged_by_what_was_vouched_for(path, known, came):
    leaves = opened(path)
    put_leaf(leaves, 2, LEAVES[2], known)
    verdict = LeafVerdict.WRONG if known > came else LeafVerdict.DOUBTFUL
    assert judge_leaf(leaves, 2, LEAVES[1], came) is put_leaf(leaves, 2, LEAVES[1], came) is verdict
    assert leaves.leaf(2) == LEAVES[2]
    # Nobody was given what is known from the file alone, until a block on disk agrees with it.
    again = opened(path)
    assert not again.confirm(2, LEAVES[1])
    assert judge_leaf(again, 2, LEAVES[1], came) is (
        LeafVerdict.WRONG if known > came else LeafVerdict.GOOD
    )  # fmt: skip
    assert again.confirm(2, LEAVES[2])
    assert judge_leaf(again, 2, LEAVES[1], came) is verdict


def test_the_same_leaf_never_loses_trust(path):
    leaves = filled(path)
    put_leaf(leaves, 1, LEAVES[1], Trust.UNCHECKED)
    assert leaves.trust(1) is opened(path).trust(1) is Trust.CHECKED


def test_what_nobody_vouched_for_is_forgotten(path):
    leaves = opened(path)
    for number, leaf in enumerate(LEAVES):
        put_leaf(leaves, number, leaf, Trust.UNCHECKED if number in (1, 4) else Trust.CHECKED)
    assert leaves.end_generation(0, []) == [1, 4]
    for known in (leaves, opened(path)):
        assert [known.leaf(n) for n in range(N)] == [
            LEAVES[0], None, LEAVES[2], LEAVES[3], None
        ]  # fmt: skip
        assert not known.complete()
    put_leaf(leaves, 1, LEAVES[1], Trust.UNCHECKED)
    assert leaves.end_generation(0, []) == [], "it ended before"
    assert leaves.end_generation(1, [0]) == [0, 1]


def test_only_what_is_still_known_from_the_file_alone_is_forgotten(path):
    filled(path)
    leaves = opened(path)
    assert leaves.inherited() == list(range(N))
    put_leaf(leaves, 3, LEAVES[3], Trust.CHECKED)
    leaves.forget_inherited([2, 3])
    assert [leaves.leaf(n) is None for n in range(N)] == [False, False, True, False, False]


def test_forgetting_nothing_changes_nothing(path):
    leaves = filled(path)
    leaves.trust_whole(ROOT, leaves.changes)
    before = leaves.changes
    leaves.forget_inherited([1, 2])
    assert leaves.changes == before
    assert leaves.least_trust() is Trust.WHOLE


def test_a_file_that_cannot_be_written_costs_nothing_before_a_restart(path, caplog):
    leaves = opened(path)
    path.mkdir()
    for number, leaf in enumerate(LEAVES):
        put_leaf(leaves, number, leaf, Trust.CHECKED)
    assert leaves.root() == ROOT
    assert caplog.text.count("cannot write hashes") == 1


@pytest.mark.parametrize("size", [0, 1, 32, 33, 34, 100, 5 * 33 - 1, 5 * 33, 5 * 33 + 10])
def test_a_torn_file_is_as_good_as_what_is_left_of_it(path, size):
    trusted(path)
    os.truncate(path, size)
    leaves = opened(path)
    for number, leaf in enumerate(LEAVES):
        assert leaves.leaf(number) == (leaf if (number + 1) * 33 <= size else None)
    assert leaves.least_trust() is (Trust.CHECKED if size >= 5 * 33 else Trust.UNKNOWN)
    for number, leaf in enumerate(LEAVES):
        put_leaf(leaves, number, leaf, Trust.CHECKED)
    assert leaves.root() == ROOT


BLOCKS_OF_40_TIB = 40 << 20


def test_what_is_said_to_be_large_takes_memory_for_what_is_known(path):
    tracemalloc.start()
    try:
        leaves = opened(path, Layout(40 << 40, 0, BLOCKS_OF_40_TIB))
        for number in (0, BLOCKS_OF_40_TIB // 2, BLOCKS_OF_40_TIB - 1):
            put_leaf(leaves, number, LEAVES[0], Trust.CHECKED)
        assert leaves.root() is None
        assert leaves.least_trust() is Trust.UNKNOWN
        again = opened(path, Layout(40 << 40, 0, BLOCKS_OF_40_TIB))
        assert again.inherited() == [0, BLOCKS_OF_40_TIB // 2, BLOCKS_OF_40_TIB - 1]
        assert again.leaf(BLOCKS_OF_40_TIB - 1) == LEAVES[0]
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [1, 127, 128, 129, 5 * 128, 5 * 128 + 77])
def test_the_root_is_that_of_all_pages(path, count):
    """And what changed since it was last computed is in it."""
    layout = Layout(count * BLOCK_SIZE, 0, count)
    wanted = [SHA256.leaf(bytes(2) + number.to_bytes(2)) for number in range(count)]
    leaves = opened(path, layout)
    for number in reversed(range(count)):
        assert leaves.root() is None
        put_leaf(leaves, number, wanted[number], Trust.UNCHECKED)
    assert leaves.root() == opened(path, layout).root() == SHA256.root(wanted)
    leaves.end_generation(0, [])
    for number in range(count):
        put_leaf(leaves, number, LEAVES[0], Trust.UNCHECKED)
    assert leaves.root() == opened(path, layout).root() == SHA256.root([LEAVES[0]] * count)


def test_what_came_with_an_answer_that_goes_on_is_written_when_it_has_ended(path):
    leaves = opened(path)
    with leaves.doubts.transfer(range(N), 0) as whole:
        for number in range(N):
            put_leaf(leaves, number, LEAVES[number], Trust.UNCHECKED, transfer=whole)
        assert leaves.complete()
        assert opened(path).most_trust() is Trust.UNKNOWN
        leaves.doubts.keep(whole)
    assert opened(path).root() == ROOT


def test_what_came_twice_or_with_a_hash_waits_for_no_end(path):
    leaves = opened(path)
    put_leaf(leaves, 0, LEAVES[0], Trust.UNCHECKED)
    with leaves.doubts.transfer(range(N), 0) as whole:
        put_leaf(leaves, 0, LEAVES[0], Trust.UNCHECKED, transfer=whole)
        put_leaf(leaves, 1, LEAVES[1], Trust.UNCHECKED, transfer=whole)
        put_leaf(leaves, 1, LEAVES[1], Trust.CHECKED)
        put_leaf(leaves, 2, LEAVES[2], Trust.UNCHECKED, transfer=whole)
        assert leaves.doubts.doubt(whole) == [2]
    again = opened(path)
    assert [again.trust(n) for n in range(3)] == [Trust.UNCHECKED, Trust.CHECKED, Trust.UNKNOWN]


def test_a_doubt_ends_with_the_same_bytes_or_with_a_refusal(path):
    leaves = opened(path)
    put_leaf(leaves, 0, LEAVES[0], Trust.CHECKED)
    with leaves.doubts.transfer(range(1, 3), 0) as whole:
        for number in (1, 2):
            put_leaf(leaves, number, LEAVES[number], Trust.UNCHECKED, transfer=whole)
        assert leaves.doubts.doubt(whole) == [1, 2]
    assert (leaves.leaf(1), leaves.trust(2)) == (None, Trust.UNKNOWN)
    assert not leaves.doubts.wait(0, 0)
    assert put_leaf(leaves, 1, LEAVES[3], Trust.CHECKED) is LeafVerdict.DOUBTFUL
    assert put_leaf(leaves, 1, LEAVES[1], Trust.UNCHECKED) is LeafVerdict.GOOD
    assert (leaves.doubts.doubted(), leaves.doubts.doubted(range(2))) == (True, False)
    assert leaves.end_generation(0, []) == [1, 2]
    assert leaves.doubts.wait(1, 0)
    assert put_leaf(leaves, 2, LEAVES[3], Trust.UNCHECKED) is LeafVerdict.GOOD


def test_two_transfers_take_back_only_what_none_of_them_may_still_confirm(path):
    leaves = opened(path)
    with (
        leaves.doubts.transfer(range(N), 0) as one,
        leaves.doubts.transfer(range(1, N), 0) as other,
    ):
        for number in range(3):
            put_leaf(leaves, number, LEAVES[number], Trust.UNCHECKED, transfer=one)
        for number in range(1, 4):
            put_leaf(leaves, number, LEAVES[number], Trust.UNCHECKED, transfer=other)
        assert leaves.doubts.doubt(one) == [0]
        assert leaves.doubts.doubt(other) == [1, 2, 3]
        assert leaves.doubts.doubt(other) == []


def test_a_doubt_is_given_up_once_nothing_is_to_come_again(path):
    leaves = opened(path)
    with leaves.doubts.transfer(range(3), 0) as one:
        put_leaf(leaves, 0, LEAVES[0], Trust.UNCHECKED, transfer=one)
        assert leaves.doubts.doubt(one) == [0]
        assert leaves.doubts.give_up(range(3), 0, "wrong") is None, "another attempt is to come"
    assert leaves.doubts.give_up(range(1, 3), 0, "wrong") is None, "none of these is doubted"
    assert leaves.doubts.give_up(range(3), 1, "wrong") is None
    assert leaves.doubts.give_up(range(3), 0, "wrong") == [0]
    assert (leaves.generation, leaves.mismatch, leaves.doubts.doubted()) == (1, "wrong", False)


def test_what_belongs_to_an_earlier_generation_comes_too_late(path):
    leaves = opened(path)
    with leaves.doubts.transfer(range(N), 0) as old:
        put_leaf(leaves, 0, LEAVES[0], Trust.UNCHECKED, transfer=old)
        leaves.end_generation(0, [], "wrong")
        with leaves.doubts.transfer(range(N), 1) as new:
            put_leaf(leaves, 0, LEAVES[1], Trust.UNCHECKED, 1, new)
            assert put_leaf(leaves, 0, LEAVES[0], Trust.UNCHECKED, 0, old) is LeafVerdict.LATE
            assert put_leaf(leaves, 1, LEAVES[0], Trust.CHECKED, 0) is LeafVerdict.LATE
            assert judge_leaf(leaves, 0, LEAVES[0], Trust.CHECKED, 0) is LeafVerdict.LATE
            assert leaves.doubts.doubt(old) == []
            leaves.doubts.keep(old)
            assert opened(path).most_trust() is Trust.UNKNOWN
            leaves.doubts.keep(new)
    assert opened(path).leaf(0) == LEAVES[1]


def test_of_a_wrong_whole_everything_is_forgotten_once(path):
    def remedy(leaves):
        found = leaves.remedy()
        return found, leaves.end_wrong_whole(leaves.generation, found)

    leaves = filled(path)
    put_leaf(leaves, 4, LEAVES[4], Trust.UNCHECKED)
    leaves.end_generation(0, [4])
    put_leaf(leaves, 4, LEAVES[4], Trust.UNCHECKED)
    assert remedy(leaves) == (Forgiven.UNVOUCHED, [4])
    leaves = opened(path)
    put_leaf(leaves, 4, LEAVES[4], Trust.UNCHECKED)
    assert remedy(leaves) == (Forgiven.EVERYTHING, [0, 1, 2, 3, 4])
    assert opened(path).most_trust() is Trust.UNKNOWN
    leaves = filled(path)
    assert remedy(leaves) == (Forgiven.NOTHING, [])
    leaves = opened(path)
    assert leaves.least_trust() is Trust.CHECKED
    assert remedy(leaves) == (Forgiven.NOTHING, [])
    leaves.trust_whole(ROOT, leaves.changes)
    assert opened(path).remedy() is Forgiven.EVERYTHING, "a whole that matched begins anew"


def test_a_remedy_is_used_once_for_a_generation(path):
    leaves = filled(path)
    assert leaves.end_wrong_whole(1, Forgiven.EVERYTHING) == []
    assert leaves.complete()


def test_a_foreign_file_is_no_knowledge(path):
    path.write_bytes(os.urandom(33 * 7).replace(b"\x01", b"\x09").replace(b"\x02", b"\x09"))
    leaves = opened(path)
    assert leaves.most_trust() is Trust.UNKNOWN


def test_two_who_look_at_one_file_see_each_others_leaves(path):
    """Two processes may read one output."""
    one = opened(path)
    put_leaf(one, 0, LEAVES[0], Trust.CHECKED)
    other = opened(path)
    put_leaf(other, 1, LEAVES[1], Trust.CHECKED)
    put_leaf(one, 2, LEAVES[2], Trust.CHECKED)
    third = opened(path)
    assert [third.leaf(n) for n in range(3)] == LEAVES[:3]


def test_no_file_stays_open(path):
    """There may be more outputs open than a process may have files open."""
    leaves = filled(path)
    assert str(path) not in {_target(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")}
    assert leaves.complete()


def test_what_this_process_recorded_counts_whatever_another_writes(path):
    leaves, other = filled(path), opened(path)
    put_leaf(other, 2, LEAVES[0], Trust.UNCHECKED)
    assert leaves.leaf(2) == LEAVES[2]
    assert leaves.root() == ROOT
    path.unlink()
    assert leaves.root() == ROOT


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
