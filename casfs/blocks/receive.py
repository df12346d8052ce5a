"""From the body of an answer to blocks that may be handed on: nothing passes here unverified."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from casfs.blocks.cache import OutputStore
from casfs.blocks.eviction import spare_bytes
from casfs.blocks.leaves import Trust
from casfs.blocks.memory import Memory
from casfs.deadline import Deadline
from casfs.errors import CasfsError, MismatchError
from casfs.service.answers import Body
from casfs.service.base import Output
from casfs.treehash import TreeHash


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was received, and how sure we are of it."""

    number: int
    data: memoryview
    leaf: bytes
    trust: Trust


def receive_run(
    output: Output, run: range, body: Body, tree_hash: TreeHash, memory: Memory
) -> list[Block]:
    """Return the blocks of a run, read from a body that carries exactly these.

    Raises:
        MismatchError: they do not match the answer's tree hash, or, when the run is the whole
            output, that of the job.
        WrongAnswerError: the body is short.
    """
    blocks = [_receive(output, number, body, tree_hash, memory) for number in run]
    leaves = [leaf for _, leaf in blocks]
    expected = [body.tree_hash]
    if len(run) == output.layout.blocks:
        expected.append(output.tree_hash)
    trust = Trust.UNCHECKED
    for digest in expected:
        if digest is not None:
            _compare(output, run, tree_hash.root(leaves), digest)
            trust = Trust.CHECKED
    return [
        Block(number, data, leaf, trust) for number, (data, leaf) in zip(run, blocks, strict=True)
    ]


def _receive(
    output: Output, number: int, body: Body, tree_hash: TreeHash, memory: Memory
) -> tuple[memoryview, bytes]:
    data = memory.take(output.layout.length(number))
    body.read_into(data)
    return data, tree_hash.leaf(data)


def _compare(output: Output, run: range, found: bytes, expected: bytes) -> None:
    if found != expected:
        first, stop = output.layout.span(run)
        raise MismatchError(
            f"bytes {first}-{stop - 1} of the {output} have tree hash {found.hex()}, "
            f"the service announced {expected.hex()}; nothing of it was handed on"
        )


def receive_whole(
    output: Output,
    body: Body,
    tree_hash: TreeHash,
    memory: Memory,
    store: OutputStore,
    deadline: Deadline,
    turn: Callable[[], AbstractContextManager[None]],
    hold: Callable[[int], None],
    land: Callable[[Block], None],
) -> None:
    """Take a body that carries all that a job has, because the service knows no ranges.

    Without a tree hash in the answer each block lands as it comes, unchecked. With one, blocks
    wait on disk until all are there and match. The deadline begins anew with each block, since
    one pass takes as long as it takes.

    A block is received within a `turn`, and lands once `hold` lets it. What is not received yet
    waits in the network until then, what is on disk waits there.

    Raises:
        MismatchError, WrongAnswerError: as `receive_run`.
        CasfsError: there is no room on disk for blocks that must wait.
    """
    size = body.stop - body.first
    run = output.layout.touched(body.first, size)
    if body.tree_hash is not None and spare_bytes(store.staging) < size:
        raise _no_room(output, size, "there is too little room")
    staged: list[tuple[int, bytes, Path]] = []
    try:
        for number in run:
            if body.tree_hash is None:
                hold(number)
            with turn():
                data, leaf = _receive(output, number, body, tree_hash, memory)
                if body.tree_hash is None:
                    land(Block(number, data, leaf, Trust.UNCHECKED))
                else:
                    staged.append((number, leaf, _stage(store, data, output, size)))
            # Whoever waits at the next turn keeps no block.
            del data
            deadline.restart()
        if body.tree_hash is None:
            return
        root = tree_hash.root([leaf for _, leaf, _ in staged])
        _compare(output, run, root, body.tree_hash)
        while staged:
            hold(staged[0][0])
            number, leaf, path = staged.pop(0)
            data = store.read_staged(number, path) or memoryview(b"")
            path.unlink()
            # The disk is not trusted with what the hash has vouched for.
            _compare(output, range(number, number + 1), tree_hash.leaf(data), leaf)
            land(Block(number, data, leaf, Trust.CHECKED))
            del data
    finally:
        for _, _, path in staged:
            path.unlink(missing_ok=True)


def _stage(store: OutputStore, data: memoryview, output: Output, size: int) -> Path:
    try:
        return store.stage(data)
    except OSError as error:
        raise _no_room(output, size, str(error.strerror)) from error


def _no_room(output: Output, size: int, reason: str) -> CasfsError:
    return CasfsError(
        f"the {output} comes in one piece, {size} bytes, and must wait on disk until "
        f"it is checked, but: {reason}; make room in the cache folder"
    )
