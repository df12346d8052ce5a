"""Wherever answers break off, what is handed on is right, and what came is not asked for again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.blocks.buffers import Buffers
from casfs.blocks.gets.resume import ResumableRun
from casfs.blocks.verify import Trust, Verifier
from casfs.errors import MismatchError, TransientError
from casfs.service.output_body import Body
from casfs.treehash import SHA256
from tests.support.archive import MIB, flipped, output_of_bytes, random_bytes, root
from tests.support.subtrees import is_subtree

DATA = random_bytes(8 * MIB - 1000)
MEMORY = Buffers()


class Service:
    """Sends bodies of DATA that break off, and notes what was asked for."""

    def __init__(self, data=DATA, hashes=True, announced=True):
        self.data = data
        self.hashes = hashes
        self.announced = announced
        self.etag: str | None = "a"
        self.asked = []
        self.came = 0

    def body(self, span, cut):
        """The body of a span of which so many bytes come."""
        at = span[0]
        self.asked.append(span)
        end = min(span[1], span[0] + cut)

        def read_into(memory):
            nonlocal at
            received = max(0, min(len(memory), end - at))
            memory[:received] = self.data[at : at + received]
            at += received
            self.came += received
            if received < len(memory):
                error = TransientError("broke off")
                error.received = received
                raise error

        first, stop = span
        digest = None
        run = range(first // MIB, -(-stop // MIB))
        if self.hashes and first % MIB == 0 and is_subtree(run, 8):
            digest = root(DATA[first:stop])
        return Body(
            first, stop, self.announced, digest, self.etag, read_into, lambda: None, lambda: None
        )


def run_of(data=DATA, any_range=True, tree_hash=None):
    return ResumableRun(output_of_bytes(data, tree_hash), range(8), Verifier(SHA256), any_range)


def fetch(run, service, cuts, limit=8):
    """Receive a run whose answers break off after these bytes, and then no more."""
    handed_on: dict[int, object] = {}
    cuts = iter(cuts)
    for _ in range(200):
        if not run.left:
            return handed_on
        span = run.ask(limit)
        while True:
            try:
                run.receive(service.body(span, next(cuts, 8 * MIB)), MEMORY)
            except TransientError as error:
                if run.go_on(error):
                    break
                continue
            blocks = run.accept()
            handed_on |= {block.number: (bytes(block.data), block.trust) for block in blocks}
            run.note_handed_on()
            break
    raise AssertionError(f"no end: {service.asked}")


def joined(handed_on):
    return b"".join(handed_on[number][0] for number in sorted(handed_on))


CUTS = st.lists(st.integers(0, 8 * MIB) | st.integers(0, 40_000) | st.integers(0, 2), max_size=12)


@settings(max_examples=30, deadline=None)
@given(CUTS, st.booleans(), st.booleans(), st.sampled_from([1, 2, 4, 8]))
def test_every_block_comes_right_and_once_whatever_breaks_off(cuts, any_range, hashes, limit):
    service = Service(hashes=hashes)
    handed_on = fetch(run_of(any_range=any_range), service, cuts, limit)
    assert joined(handed_on) == DATA
    assert {trust for _, trust in handed_on.values()} == {
        Trust.CHECKED if hashes else Trust.UNCHECKED
    }
    # Without a hash, the rest of a block is asked for only where an ETag tells that it is the same.
    lost = 0 if any_range else MIB
    assert service.came <= len(DATA) + len(cuts) * lost
    starts = [first for first, _ in service.asked if first % MIB]
    assert any_range or not starts


def test_what_follows_a_break_asks_for_the_rest_of_the_block_and_then_for_half():
    service = Service()
    fetch(run_of(), service, [2_000_000])
    assert service.asked == [
        (0, len(DATA)),
        (2_000_000, 2 * MIB),
        (2 * MIB, 4 * MIB),
        (4 * MIB, len(DATA)),
    ]


def receive(run, service, cut=8 * MIB):
    """Receive one answer, whole or broken off; return the numbers of what is handed on."""
    try:
        run.receive(service.body(run.ask(8), cut), MEMORY)
    except MismatchError:
        raise
    except TransientError as error:
        run.go_on(error)
        return []
    blocks = run.accept()
    run.note_handed_on()
    return [block.number for block in blocks]


@pytest.mark.parametrize("tree_hash", [None, root(DATA)])
def test_a_wrong_byte_before_a_break_is_found_by_the_hash_that_came_with_it(tree_hash):
    service = Service(flipped(DATA, 100))
    run = run_of(tree_hash=tree_hash)
    assert receive(run, service, 1_500_000) == []
    assert receive(run, service) == []
    assert receive(run, service) == [2, 3]
    with pytest.raises(MismatchError) as caught:
        receive(run, service)
    service.data = DATA
    assert run.go_on(caught.value)
    assert run.mismatches == 1
    handed_on = fetch(run, service, [])
    assert sorted(handed_on) == [0, 1, 4, 5, 6, 7]
    assert all(
        bytes(data) == DATA[number * MIB : (number + 1) * MIB]
        for number, (data, _) in handed_on.items()
    )


def test_what_broke_off_without_length_and_hash_is_not_believed():
    service = Service(hashes=False, announced=False)
    assert joined(fetch(run_of(), service, [3 * MIB + 100])) == DATA
    assert service.asked[1] == (0, 4 * MIB)


def test_parts_of_different_etags_are_not_put_together():
    service = Service(hashes=False)
    run = run_of()
    run_service = service.body(run.ask(8), MIB + 200_000)
    with pytest.raises(TransientError) as caught:
        run.receive(run_service, MEMORY)
    assert run.go_on(caught.value)
    service.etag = "b"
    with pytest.raises(MismatchError, match="ETag"):
        run.receive(service.body(run.ask(8), MIB), MEMORY)
    assert run.go_on(MismatchError("other"))
    assert joined(fetch(run, service, [])) == DATA


@pytest.mark.parametrize(
    ("first", "then"), [(None, None), ("a", None), (None, "a"), ('W/"a"', 'W/"a"')]
)
def test_without_a_hash_parts_are_put_together_only_by_a_strong_etag(first, then):
    service = Service(hashes=False)
    service.etag = first
    run = run_of()
    with pytest.raises(TransientError) as caught:
        run.receive(service.body(run.ask(8), MIB + 200_000), MEMORY)
    assert run.go_on(caught.value)
    service.etag = then
    other = fetch(run, service, [])
    assert joined(other) == DATA
    assert not [start for start, _ in service.asked if start % MIB] or first == "a"


def test_with_a_hash_parts_are_put_together_without_an_etag():
    service = Service()
    service.etag = None
    assert joined(fetch(run_of(), service, [MIB + 200_000])) == DATA
    assert [start for start, _ in service.asked if start % MIB]


def broken_in_two(service, run):
    """Receive the beginning of the second block, and a server with another ETag from then on."""
    service.etag = '"one"'
    with pytest.raises(TransientError) as caught:
        run.receive(service.body(run.ask(8), MIB + 200_000), MEMORY)
    assert run.go_on(caught.value)
    assert run.kept == MIB + 200_000
    service.etag = '"two"'


def test_a_hash_that_matches_tells_more_than_an_etag_that_does_not():
    """Some servers make an ETag for each range, or each of several servers its own."""
    service, run = Service(), run_of()
    broken_in_two(service, run)
    assert joined(fetch(run, service, [])) == DATA
    assert service.came == len(DATA)


def test_parts_of_different_etags_that_do_not_match_are_asked_for_again_as_whole_blocks():
    service, run = Service(flipped(DATA, MIB + 100)), run_of()
    broken_in_two(service, run)
    service.data = DATA
    while len(service.asked) < 3:
        run.receive(service.body(run.ask(8), 8 * MIB), MEMORY)
        run.accept()
        run.note_handed_on()
    with pytest.raises(MismatchError) as caught:
        run.receive(service.body(run.ask(8), 8 * MIB), MEMORY)
    assert run.go_on(caught.value)
    service.asked.clear()
    assert joined(fetch(run, service, [100_000]))[-MIB:] == DATA[-MIB:]
    assert not [first for first, _ in service.asked if first % MIB]


def test_a_service_that_refuses_to_begin_inside_a_block_is_asked_for_whole_ones():
    service = Service()
    run = run_of()
    with pytest.raises(TransientError) as caught:
        run.receive(service.body(run.ask(8), 300_000), MEMORY)
    assert run.go_on(caught.value)
    assert run.ask(8) == (300_000, MIB)
    assert run.ask_whole_blocks()
    assert run.ask(8) == (0, 4 * MIB)
    assert joined(fetch(run, service, [])) == DATA
