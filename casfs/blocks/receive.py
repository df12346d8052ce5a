"""From a body that carries a whole output to blocks that may be handed on."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from casfs.blocks.buffers import Memory
from casfs.blocks.disk.eviction import spare_bytes
from casfs.blocks.disk.held import LARGEST, Held
from casfs.blocks.disk.output_store import OutputStore
from casfs.blocks.verify import Digest, Trust, Verifier
from casfs.deadline import Deadline
from casfs.disks import disk_of, trouble
from casfs.errors import CasfsError
from casfs.model import Output
from casfs.service.output_body import Body


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was received, and how sure we are of it.

    Attributes:
        provisional: more is to come of the answer that it is from, which may still show that all
            of it is wrong.
    """

    number: int
    data: memoryview
    leaf: Digest
    trust: Trust
    provisional: bool = False


def _receive(
    output: Output, number: int, body: Body, verifier: Verifier, memory: Memory
) -> tuple[memoryview, Digest]:
    data = memory.take(output.layout.length(number))
    body.read_into(data)
    return data, verifier.leaf(data)


@dataclass(frozen=True)
class Landing:
    """How the blocks of a body that carries all of a job's output are handed on.

    Attributes:
        turn: to be held while a block is received.
        hold: returns once a block may be handed on.
        land: hands a block on.
        keep: is called when the end has come, before the last block lands.
    """

    turn: Callable[[], AbstractContextManager[None]]
    hold: Callable[[int], None]
    land: Callable[[Block], None]
    keep: Callable[[], None]


def receive_whole(
    output: Output,
    body: Body,
    verifier: Verifier,
    memory: Memory,
    store: OutputStore,
    deadline: Deadline,
    landing: Landing,
) -> None:
    """Take a body that carries all that a job has, because the service knows no ranges.

    If the answer has no tree hash, but says how long it is, each block lands as it comes,
    unchecked, and provisional until the end has come. Otherwise the blocks wait on disk until all
    are there: before the end, an answer without a length may be anything. The deadline begins anew
    with each block, since one pass takes as long as it takes. What is not received yet waits in the
    network until it may land, what is on disk waits there.

    Raises:
        MismatchError: the blocks do not match the answer's tree hash.
        WrongAnswerError: the body is short. What has landed is to be taken back.
        CasfsError: there is no room on disk for blocks that must wait.
    """
    run = output.layout.touched(body.first, body.stop - body.first)
    if body.tree_hash is None and body.announced:
        _pass_on(output, run, body, verifier, memory, deadline, landing)
    else:
        _collect(output, run, body, verifier, memory, store, deadline, landing)


def _pass_on(
    output: Output,
    run: range,
    body: Body,
    verifier: Verifier,
    memory: Memory,
    deadline: Deadline,
    landing: Landing,
) -> None:
    for number in run:
        landing.hold(number)
        last = number == run[-1]
        with landing.turn():
            data, leaf = _receive(output, number, body, verifier, memory)
            if last:
                body.finish()
                landing.keep()
            landing.land(Block(number, data, leaf, Trust.UNCHECKED, provisional=not last))
        # Whoever waits at the next turn keeps no block.
        del data
        deadline.restart()


def _collect(
    output: Output,
    run: range,
    body: Body,
    verifier: Verifier,
    memory: Memory,
    store: OutputStore,
    deadline: Deadline,
    landing: Landing,
) -> None:
    size = body.stop - body.first
    if size > LARGEST and spare_bytes(store.staging) < size:
        raise _no_room(output, size, f"the disk at {disk_of(store.staging)} has too little room")
    staged: list[tuple[int, Digest, Path | Held]] = []
    try:
        for number in run:
            with landing.turn():
                data, leaf = _receive(output, number, body, verifier, memory)
                staged.append((number, leaf, _stage(store, data, output, size)))
            del data
            deadline.restart()
        body.finish()
        trust = Trust.UNCHECKED
        if body.tree_hash is not None:
            verifier.require_run(output, run, [leaf for _, leaf, _ in staged], body.tree_hash)
            trust = Trust.CHECKED
        while staged:
            landing.hold(staged[0][0])
            number, leaf, path = staged.pop(0)
            data = _staged(store, number, path)
            # The disk is not trusted with what came.
            verifier.require_run(output, range(number, number + 1), [verifier.leaf(data)], leaf)
            landing.land(Block(number, data, leaf, trust))
            del data
    finally:
        for _, _, path in staged:
            path.unlink(missing_ok=True)


def _staged(store: OutputStore, number: int, path: Path | Held) -> memoryview:
    """Return a block that has waited, and no byte of one that is gone."""
    try:
        return store.read_staged(number, path) or memoryview(b"")
    except FileNotFoundError:
        return memoryview(b"")
    finally:
        path.unlink(missing_ok=True)


def _stage(store: OutputStore, data: memoryview, output: Output, size: int) -> Path | Held:
    try:
        return store.stage_somewhere(data)
    except OSError as error:
        raise _no_room(output, size, trouble(store.staging, error)) from error


def _no_room(output: Output, size: int, reason: str) -> CasfsError:
    return CasfsError(
        f"the {output} comes in one piece, {size} bytes, and must wait on disk until "
        f"it is checked, but: {reason}; make room in the cache folder"
    )
