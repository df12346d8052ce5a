"""Archives that several jobs bring together, against a plain model of what covers them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.model import Job, JobKind, JobState, Output, output_of
from casfs.ranges import Layout
from casfs.tree.coverage import (
    completed_output,
    joined_output,
    lasting_jobs,
    lasting_output,
    lasting_parts,
)
from casfs.treehash import Digest
from tests.support.archive import MIB
from tests.support.jobs import COMPLETED, ORIGIN, range_job

LEAVES = 12
SIZE = LEAVES * MIB - 77
HASH, OTHER = Digest(b"h" * 32), Digest(b"o" * 32)


def spanning(name: str, first: int, stop: int, **changes) -> Job:
    """A job for leaves `first` to `stop - 1`."""
    return range_job(name, first * MIB, min(stop * MIB, SIZE), SIZE, **changes)


def joined(jobs, tree_hash: Digest | None = HASH) -> Output | None:
    return joined_output(jobs, SIZE, tree_hash, ORIGIN)


def leaves_of(job: Job) -> range:
    assert job.size is not None
    return range(job.first_byte // MIB, -(-(job.first_byte + job.size) // MIB))


@st.composite
def job_lists(draw):
    spans = st.tuples(st.integers(0, LEAVES - 1), st.integers(1, LEAVES)).filter(
        lambda span: span[0] < span[1]
    )
    return [
        spanning(f"job-{number}", *span, completed=COMPLETED + timedelta(hours=hours))
        for number, (span, hours) in enumerate(
            draw(st.lists(st.tuples(spans, st.integers(0, 3)), max_size=12))
        )
    ]


def fewest(jobs: list[Job]) -> int | None:
    """How many jobs cover the archive at least: leaf by leaf, trying all."""
    needed: dict[int, int] = {0: 0}
    for leaf in range(LEAVES):
        for job in jobs:
            run = leaves_of(job)
            if leaf in needed and leaf in run:
                for stop in range(leaf + 1, run.stop + 1):
                    needed[stop] = min(needed.get(stop, LEAVES), needed[leaf] + 1)
    return needed.get(LEAVES)


@given(job_lists())
def test_the_fewest_jobs_cover_the_archive_where_any_do(jobs):
    found = joined(jobs)
    if found is None:
        assert fewest(jobs) is None
        return
    assert len(found.sources) == fewest(jobs)
    assert [leaf for source in found.sources for leaf in source.run] == list(range(LEAVES))
    by_id = {job.id: job for job in jobs}
    for source in found.sources:
        job = by_id[source.job_id]
        assert job.size is not None
        own = output_of(job, job.size, ORIGIN)
        assert (source.key, source.layout) == (own.key, own.layout)
        assert source.begin == leaves_of(job).start <= source.run.start
        assert source.run.stop == leaves_of(job).stop
        for other in jobs:
            if source.run.start in leaves_of(other) and leaves_of(other).stop == source.run.stop:
                assert other.expires <= job.expires


def expiry(job: Job) -> datetime:
    assert job.expires is not None
    return job.expires


@given(job_lists())
def test_no_other_jobs_cover_the_archive_for_longer(jobs):
    found = lasting_jobs(jobs, SIZE, HASH)
    lasting = [at for at in map(expiry, jobs) if joined(one for one in jobs if expiry(one) >= at)]
    if not lasting:
        assert found == ()
        return
    assert joined(found) is not None
    first = min(map(expiry, found))
    assert first == max(lasting)
    assert len(found) == fewest([job for job in jobs if expiry(job) >= first])
    read = lasting_output(jobs, SIZE, HASH, ORIGIN)
    assert read is not None
    assert [source.job_id for source in read.sources] == [job.id for job in found]


def test_jobs_that_may_never_expire_last():
    forever = [spanning("left", 0, 5, completed=None), spanning("right", 5, LEAVES, completed=None)]
    jobs = [spanning("alone", 0, LEAVES), *forever]
    assert lasting_jobs(jobs, SIZE, HASH) == tuple(forever)
    assert lasting_jobs([*jobs[:1], *forever[:1]], SIZE, HASH) == tuple(jobs[:1])
    assert lasting_jobs(forever[:1], SIZE, HASH) == ()
    assert lasting_parts(forever[:1], SIZE, HASH) == tuple(forever[:1])


def covered(jobs: Iterable[Job]) -> set[int]:
    return {leaf for job in jobs for leaf in leaves_of(job)}


@given(job_lists())
def test_no_other_jobs_cover_as_much_for_longer(jobs):
    found = lasting_parts(jobs, SIZE, HASH)
    assert found == (lasting_jobs(jobs, SIZE, HASH) or found)
    assert covered(found) == covered(jobs)
    for job in jobs:
        longer = [one for one in jobs if expiry(one) > expiry(job)]
        if covered(longer) == covered(jobs):
            assert job not in found


@given(job_lists(), job_lists())
def test_what_listed_jobs_lack_is_looked_for_in_the_cache(listed, others):
    unlisted = [replace(job, id=f"unlisted-{job.id}") for job in others]
    found = completed_output(listed, unlisted, SIZE, HASH, ORIGIN)
    if found is None:
        assert [*listed, *unlisted] == []
        return
    whole = output_of(spanning("alone", 0, LEAVES, tree_hash=HASH), SIZE, ORIGIN)
    assert replace(found, sources=whole.sources) == whole
    assert [leaf for source in found.sources for leaf in source.run] == list(range(LEAVES))
    asked = [job for job in listed if job.id in {source.job_id for source in found.sources}]
    assert tuple(sorted(asked, key=leaves_of_start)) == lasting_parts(listed, SIZE, HASH)
    by_id = {job.id: job for job in [*listed, *unlisted]}
    for source in found.sources:
        if not source.job_id:
            assert not covered([*listed, *unlisted]) & set(source.run)
            assert (source.key, source.layout, source.begin) == (whole.key, whole.layout, 0)
            continue
        job = by_id[source.job_id]
        assert job.size is not None
        own = output_of(job, job.size, ORIGIN)
        assert (source.key, source.layout, source.own) == (own.key, own.layout, leaves_of(job))
        assert set(source.run) <= set(leaves_of(job))
        assert job in listed or not covered(listed) & set(source.run)


def leaves_of_start(job: Job) -> int:
    return leaves_of(job).start


def test_jobs_that_contradict_one_another_complete_nothing():
    left = spanning("left", 0, 4, archive_tree_hash=HASH)
    right = spanning("right", 5, LEAVES, archive_tree_hash=OTHER)
    assert completed_output([left], [right], SIZE, None, ORIGIN) is None
    assert lasting_parts([left, right], SIZE, None) == ()
    found = completed_output([left], [right], SIZE, HASH, ORIGIN)
    assert found is not None
    assert [source.job_id for source in found.sources] == ["left", ""]
    assert lasting_parts([left, right], SIZE, HASH) == (left,)


def test_jobs_tell_the_hash_of_what_they_do_not_complete():
    left, right = spanning("left", 0, 4), spanning("right", 5, LEAVES, archive_tree_hash=HASH)
    found = completed_output([left], [right], SIZE, None, ORIGIN)
    assert found is not None
    assert found.tree_hash == HASH
    assert [source.job_id for source in found.sources] == ["left", "", "right"]
    assert completed_output([], [], SIZE, None, ORIGIN) is None


@given(job_lists())
def test_an_archive_is_the_same_whichever_jobs_cover_it(jobs):
    found = joined(jobs)
    if found is not None:
        alone = spanning("alone", 0, LEAVES, tree_hash=HASH)
        whole = output_of(alone, SIZE, ORIGIN)
        assert replace(found, sources=whole.sources) == whole
        assert found.layout == Layout(SIZE, 0, LEAVES)
        assert joined([*jobs, replace(alone, completed=COMPLETED + timedelta(1))]) == whole


@given(job_lists(), st.integers(0, LEAVES - 1), st.integers(0, 5).map(lambda k: 1 << k), st.data())
def test_a_run_is_cut_where_its_sources_meet_and_where_subtrees_end(jobs, start, limit, data):
    found = joined([*jobs, spanning("left", 0, 5), spanning("right", 4, LEAVES)])
    assert found is not None
    run = range(start, data.draw(st.integers(start + 1, LEAVES)))
    cut = list(found.split(run, limit))
    assert [block for piece in cut for block in piece] == list(run)
    for piece in cut:
        (number,) = found.touched(piece)
        inside = found.sources[number].run
        left = range(piece.start, min(run.stop, inside.stop))
        assert piece == next(found.layout.split(left, limit)), "the largest that fits"


ALONE = {
    "running": {"state": JobState.RUNNING},
    "failed": {"state": JobState.FAILED},
    "an inventory": {"kind": JobKind.INVENTORY},
    "of no known archive": {"archive_id": None},
    "of no known size": {"size": None},
    "of a larger archive": {"archive_size": SIZE + 1},
    "of other bytes": {"archive_tree_hash": OTHER},
    "of other bytes, as its own hash says": {"tree_hash": OTHER},
    "at odds with itself": {"tree_hash": HASH, "archive_tree_hash": OTHER},
    "not from a MiB": {"first_byte": 5, "size": SIZE - 5},
    "not to a MiB": {"size": 3 * MIB - 5},
    "beyond the end": {"size": SIZE + MIB},
}


@pytest.mark.parametrize("changes", ALONE.values(), ids=ALONE.keys())
def test_a_job_that_does_not_fit_does_not_count(changes):
    odd = replace(spanning("odd", 0, LEAVES, completed=COMPLETED + timedelta(1)), **changes)
    assert joined([odd]) is None
    parts = [spanning("left", 0, 4), spanning("right", 4, LEAVES)]
    found = joined([odd, *parts])
    assert found is not None
    assert [source.job_id for source in found.sources] == ["left", "right"]


def test_jobs_tell_the_hash_that_nobody_else_knows():
    left = spanning("left", 0, 4, archive_tree_hash=HASH)
    right = spanning("right", 4, LEAVES)
    found = joined([left, right], None)
    assert found is not None
    assert found.tree_hash == HASH
    assert joined([left, replace(right, archive_tree_hash=OTHER)], None) is None


def test_jobs_tell_the_hash_though_others_last_longer():
    later = COMPLETED + timedelta(hours=1)
    parts = [spanning("a", 0, 4, completed=later), spanning("b", 4, LEAVES, completed=later)]
    found = lasting_output(
        [spanning("c", 0, 4, archive_tree_hash=HASH), *parts], SIZE, None, ORIGIN
    )
    assert found is not None
    assert [source.job_id for source in found.sources] == ["a", "b"]
    assert found.tree_hash == HASH


def test_jobs_whose_hash_nobody_knows_are_joined_unverified():
    found = joined([spanning("left", 0, 4), spanning("right", 4, LEAVES)], None)
    assert found is not None
    assert found.tree_hash is None


def test_a_job_that_states_no_size_of_its_archive_counts():
    left = replace(spanning("left", 0, 4), archive_size=None)
    assert joined([left, spanning("right", 4, LEAVES)]) is not None


def test_messages_name_the_jobs():
    two = joined([spanning("a", 0, 4), spanning("b", 4, LEAVES)])
    three = joined([spanning("a", 0, 4), spanning("b", 4, 5), spanning("c", 5, LEAVES)])
    assert str(joined([spanning("a", 0, LEAVES)])) == "output of job a in vault v"
    assert str(two) == "archive that job a and job b in vault v cover together"
    assert str(three) == "archive that job a and 2 more jobs in vault v cover together"
    listed = [spanning("a", 0, 4)]
    half = completed_output(listed, [], SIZE, HASH, ORIGIN)
    more = completed_output(listed, [spanning("b", 5, LEAVES)], SIZE, HASH, ORIGIN)
    assert str(half) == "archive that job a and the cache in vault v cover together"
    assert str(more) == "archive that job a and job b and the cache in vault v cover together"
    nobody = Output.of_job("v", "", "k", Layout(SIZE), HASH, archive="one")
    assert str(nobody) == "archive one of vault v"
