"""No hash that differs passes, and nothing is trusted more than what vouches for it."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import casfs
from casfs.blocks.verify import (
    DERIVED,
    Announced,
    Digest,
    Forgiven,
    LeafVerdict,
    Trust,
    Verifier,
    contradicted,
    judge,
    left_to_whole,
    matches,
    may_be_cached,
    remedy,
    same_leaves,
    trust_if_adopted,
    trust_of_answers,
    trust_on_record,
    verified,
)
from casfs.errors import MismatchError
from casfs.treehash import MD5, SHA256
from tests.support.archive import MIB, output_of_bytes

BLOCKS = 8
DIGESTS = [Digest(bytes([n]) * 32) for n in range(3)]
digests = st.sampled_from(DIGESTS)
maybe = st.none() | digests
trusts = st.sampled_from(Trust)
runs = st.tuples(st.integers(0, BLOCKS - 1), st.integers(1, BLOCKS)).map(
    lambda pair: range(pair[0], max(pair[0] + 1, pair[1]))
)
leaves = st.dictionaries(st.integers(0, BLOCKS - 1), digests)


def right(run: range, known) -> Announced:
    return Announced(run, SHA256.root([known[n] for n in run]))


@given(data=st.binary(max_size=100), other=st.binary(max_size=100))
@pytest.mark.parametrize("tree_hash", [SHA256, MD5])
def test_a_block_is_good_only_if_its_bytes_are_the_same(tree_hash, data, other):
    assert Verifier(tree_hash).is_block(other, tree_hash.leaf(data)) == (data == other)


@given(data=st.binary(max_size=100), leaf=st.binary(min_size=32, max_size=32))
def test_a_derived_block_is_good_only_if_its_bytes_hash_to_its_leaf(data, leaf):
    assert DERIVED.is_block(data, DERIVED.leaf(data))
    assert not DERIVED.is_block(data, Digest(leaf))
    assert same_leaves(leaf, bytes(leaf))
    assert not same_leaves(leaf, leaf + leaf)


@given(found=st.lists(digests, min_size=1, max_size=4), expected=st.lists(digests, min_size=1))
def test_an_answer_with_another_hash_is_refused(found, expected):
    verifier, output = Verifier(SHA256), output_of_bytes(bytes(4 * MIB))
    run, root = range(len(found)), SHA256.root(expected)
    if SHA256.root(found) == root:
        verifier.require_run(output, run, found, root)
        return
    with pytest.raises(MismatchError, match=f"bytes 0-{len(found) * MIB - 1} of the .* announced"):
        verifier.require_run(output, run, found, root)


@given(found=maybe, expected=maybe)
def test_what_is_not_known_matches_nothing(found, expected):
    assert matches(found, expected) == (found is not None and found == expected)


@given(expected=st.none() | st.binary(min_size=32, max_size=32).map(Digest))
def test_an_empty_output_is_believed_only_without_another_hash(expected):
    assert Verifier(SHA256).may_be_empty(expected) == (expected is None)
    assert Verifier(SHA256).may_be_empty(SHA256.leaf(b""))


@given(known=leaves, delivered=st.sets(st.integers(0, BLOCKS - 1)), data=st.data())
def test_of_the_hashes_of_answers_each_wrong_one_shows(known, delivered, data):
    """While nothing that it covers was delivered, that is: what was, was compared before."""
    all_runs = [run for run in data.draw(st.lists(runs, max_size=4)) if set(run) <= set(known)]
    announced = [
        Announced(run, data.draw(digests)) if data.draw(st.booleans()) else right(run, known)
        for run in all_runs
    ]
    wrong = list(contradicted(SHA256.root, announced, known, delivered))
    for one, found in wrong:
        assert found == SHA256.root([known[n] for n in one.run]) != one.digest
    shown = [one for one, _ in wrong]
    for one in announced:
        if one.digest != right(one.run, known).digest and not delivered.intersection(one.run):
            assert one in shown


@given(known=leaves, announced=st.lists(st.builds(Announced, runs, digests)), data=st.data())
def test_a_block_waits_while_each_hash_that_covers_it_is_open(known, announced, data):
    block = data.draw(st.integers(0, BLOCKS - 1))
    covering = [one for one in announced if block in one.run]
    complete = [one for one in covering if one.is_complete(known)]
    trust = trust_of_answers([block], announced, known).get(block)
    assert (trust is Trust.UNCHECKED) == (not covering)
    assert (trust is Trust.CHECKED) == bool(complete)
    assert (trust is None) == bool(covering and not complete)


@given(others=st.lists(st.builds(Announced, runs, digests)), mismatches=st.integers(0, 3))
def test_the_jobs_own_hash_waits_for_the_whole_only_if_others_vouched_or_it_came_again(
    others, mismatches
):
    whole = Announced(range(BLOCKS), DIGESTS[0])
    covered = {block for one in others for block in one.run} >= set(whole.run)
    assert left_to_whole(whole, [*others, whole], mismatches) == (covered or mismatches > 0)


@given(leaf=digests, trust=trusts, known=maybe, known_trust=trusts, delivered=st.booleans())
def test_bytes_that_differ_never_replace_what_was_vouched_for_better_or_delivered(
    leaf, trust, known, known_trust, delivered
):
    verdict = judge(leaf, trust, known, known_trust, delivered)
    if known in (None, leaf):
        assert verdict is LeafVerdict.GOOD
    elif known_trust > trust:
        assert verdict is LeafVerdict.WRONG
    else:
        assert verdict is (LeafVerdict.DOUBTFUL if delivered else LeafVerdict.GOOD)


@given(trust=trusts, known=trusts)
def test_trust_grows_only_for_the_same_bytes(trust, known):
    assert trust_on_record(trust, known, same=False) is trust
    assert trust_on_record(trust, known, same=True) is max(trust, known)
    assert trust_if_adopted(trust) <= min(trust, Trust.CHECKED)


@given(unvouched=st.booleans(), removed=st.booleans())
def test_everything_is_fetched_again_once_and_no_more(unvouched, removed):
    forgiven = Forgiven.NOTHING
    steps: list[Forgiven] = []
    while step := remedy(forgiven, unvouched, removed and not steps):
        steps.append(step)
        forgiven = max(forgiven, step)
    assert steps == [Forgiven.UNVOUCHED] * unvouched + [Forgiven.EVERYTHING]
    assert remedy(forgiven, unvouched, removed=True) is Forgiven.EVERYTHING


@given(expected=maybe, whole=maybe, least=trusts, most=trusts)
def test_verified_is_said_only_of_what_matched_a_hash(expected, whole, least, most):
    said = verified(expected, whole, least, most)
    if said == "yes":
        assert whole == expected if expected else least >= Trust.CHECKED
    assert (said == "no") <= (most < Trust.CHECKED)


@given(refused=st.booleans(), unchecked=st.booleans(), doubted=st.booleans())
def test_the_kernel_may_cache_only_what_was_vouched_for(refused, unchecked, doubted):
    assert may_be_cached(refused, unchecked, doubted) == (not any([refused, unchecked, doubted]))


def test_nothing_else_in_blocks_makes_hashes():
    """What has no way to make a hash of bytes cannot compare one with another."""
    blocks = Path(casfs.__file__).parent / "blocks"
    for path in sorted(blocks.rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = {
            name
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        found = names & {"hashlib", "hmac", "casfs.treehash"}
        allowed = {"casfs.treehash"} if path.name == "verify.py" else set()
        assert found == allowed, path
