"""What is known of an output as a whole: verified or not, one pass at a time."""

from dataclasses import replace

import pytest

from casfs.blocks.block import Block
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.streams import Streams
from casfs.blocks.verify import Trust, Verifier
from casfs.metrics import Metrics
from casfs.treehash import SHA256, Digest
from tests.support.archive import MIB, output_of_bytes, random_bytes, root
from tests.support.blocks import put_leaf

DATA = random_bytes(3 * MIB + 5, seed=8)
OUTPUT = output_of_bytes(DATA, root(DATA))
PARTS = [memoryview(DATA)[at : at + MIB] for at in range(0, len(DATA), MIB)]


@pytest.fixture
def opened_of(tmp_path):
    disk = DiskCache(tmp_path, Verifier(SHA256), Metrics())
    return lambda output: OpenOutput(output, disk, Streams())


def blocks(trust, numbers=range(4)):
    return [Block(n, PARTS[n], SHA256.leaf(PARTS[n]), trust) for n in numbers]


def bring(opened, trust, numbers=range(4)):
    opened.store.leaves.put(blocks(trust, numbers), opened.generation)
    return opened.check_whole()


def test_nothing_is_verified_before_anything_came(opened_of):
    assert opened_of(OUTPUT).verified() == "no"


@pytest.mark.parametrize("trust", [Trust.CHECKED, Trust.UNCHECKED])
def test_an_output_is_verified_when_it_matched_as_a_whole(opened_of, trust):
    opened = opened_of(OUTPUT)
    assert bring(opened, trust, range(3)) is None
    assert opened.verified() == ("partial" if trust is Trust.CHECKED else "no")
    assert bring(opened, trust, range(3, 4)) is None
    assert opened.verified() == "yes"


@pytest.mark.parametrize(("trust", "verified"), [(Trust.CHECKED, "yes"), (Trust.UNCHECKED, "no")])
def test_without_the_jobs_hash_the_answers_hashes_decide(opened_of, trust, verified):
    opened = opened_of(replace(OUTPUT, tree_hash=None))
    assert bring(opened, trust) is None
    assert opened.verified() == verified


def test_on_a_mismatch_only_what_nobody_vouched_for_comes_again(opened_of):
    opened = opened_of(replace(OUTPUT, tree_hash=Digest(bytes(32))))
    bring(opened, Trust.CHECKED, [0, 2])
    put_leaf(opened.store.leaves, 1, SHA256.leaf(PARTS[1]), Trust.UNCHECKED)
    opened.store.write(1, PARTS[1])
    mismatch = bring(opened, Trust.UNCHECKED, [3])
    assert mismatch is not None
    assert mismatch.forgotten == [1, 3]
    assert "do not use what was read" in mismatch.message
    assert opened.refusal == mismatch.message
    assert opened_of(opened.output).refusal is None
    assert opened.store.read(1) is None


def test_where_all_were_vouched_for_everything_comes_again_once(opened_of):
    output = replace(OUTPUT, tree_hash=Digest(bytes(32)))
    mismatch = bring(opened_of(output), Trust.CHECKED)
    assert mismatch is not None
    assert mismatch.forgotten == [0, 1, 2, 3]
    assert "read it again" in mismatch.message
    opened = opened_of(output)
    mismatch = bring(opened, Trust.CHECKED)
    assert mismatch is not None
    assert mismatch.forgotten == []
    assert "casfs cache clear v j" in mismatch.message
    assert opened.refusal == mismatch.message
    assert opened.verified() == "no"


def test_runs_are_left_to_the_pass_that_is_under_way(opened_of):
    shared = opened_of(OUTPUT).source(0).shared
    assert not shared.adopt(range(1))
    assert not shared.adopt_or_begin(range(1))
    assert shared.adopt(range(1, 2))
    assert shared.adopt_or_begin(range(2, 4))
    assert shared.take_left() == []
    shared.end()
    assert not shared.adopt(range(1))
    assert not shared.adopt_or_begin(range(3, 4))
    shared.end()
    assert shared.take_left() == [range(1, 2), range(2, 4)]
    assert shared.take_left() == []
