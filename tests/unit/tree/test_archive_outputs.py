"""Where the blocks of an archive may be cached because of jobs that are not asked for them."""

from dataclasses import replace

from casfs.model import Job, output_of
from casfs.tree.archive_outputs import with_others
from casfs.tree.coverage import completed_output, joined_output
from casfs.treehash import Digest
from tests.support.archive import MIB
from tests.support.jobs import ORIGIN, range_job

LEAVES = 6
SIZE = LEAVES * MIB - 3
HASH, OTHER = Digest(b"h" * 32), Digest(b"o" * 32)
WHOLE = range_job("whole", 0, SIZE, SIZE, tree_hash=HASH)


def spanning(name: str, first: int, stop: int, **changes) -> Job:
    return range_job(name, first * MIB, min(stop * MIB, SIZE), SIZE, **changes)


def test_blocks_may_be_cached_of_each_job_that_is_not_asked():
    asked = joined_output([WHOLE], SIZE, HASH, ORIGIN)
    assert asked is not None
    jobs = [
        WHOLE,
        spanning("left", 0, 3),
        spanning("again", 0, 3),
        spanning("right", 3, LEAVES),
        spanning("wrong", 1, 2, archive_tree_hash=OTHER),
        replace(spanning("odd", 1, 2), first_byte=5),
    ]
    found = with_others(asked, jobs, ORIGIN)
    assert replace(found, others=()) == asked
    assert [(one.job_id, one.run, one.own) for one in found.others] == [
        ("again", range(3), range(3)),
        ("right", range(3, LEAVES), range(3, LEAVES)),
    ]
    own = output_of(jobs[1], 3 * MIB, ORIGIN)
    assert (found.others[0].key, found.others[0].layout) == (own.key, own.layout)


def test_what_a_job_brought_beside_what_it_is_asked_for_counts():
    left, right = spanning("left", 0, 4), spanning("right", 3, LEAVES)
    output = joined_output([left, right], SIZE, HASH, ORIGIN)
    assert output is not None
    assert [one.job_id for one in with_others(output, [left, right], ORIGIN).others] == ["right"]
    bare = replace(WHOLE, tree_hash=None)
    output = completed_output([right], [bare], SIZE, HASH, ORIGIN)
    assert output is not None
    assert [one.job_id for one in with_others(output, [right, bare], ORIGIN).others] == ["whole"]
