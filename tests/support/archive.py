"""The output of one job, served by a server that can be told to be wrong in any way."""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from casfs.model import Output
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.treehash import SHA256, Digest, TreeHash
from tests.support.random_data import random_bytes as random_bytes
from tests.support.server import Answer, Behaviour, Request, Wire
from tests.support.service import refusal
from tests.support.subtrees import is_subtree

HASH_HEADER = "x-cas-sha256-tree-hash"
MIB = BLOCK_SIZE


def root(data: bytes, tree_hash: TreeHash = SHA256) -> Digest:
    return tree_hash.root(tree_hash.leaves(data))


def flipped(data: bytes, at: int = 0) -> bytes:
    """The same bytes but for one bit."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def output_of_bytes(
    data: bytes, tree_hash: Digest | None = None, first_leaf: int | None = 0
) -> Output:
    """The output that is a whole archive of these bytes."""
    leaves = -(-len(data) // MIB)
    layout = Layout(len(data), first_leaf, leaves)
    return Output.of_job("v", "j", hashlib.sha256(data).hexdigest(), layout, tree_hash)


def renamed(output: Output, job_id: str, key: str | None = None) -> Output:
    """The same output of another job, by default with the same key."""
    return Output.of_job(output.vault, job_id, key or output.key, output.layout, output.tree_hash)


Spoil = Callable[[Request, Answer], Answer | Behaviour]


@dataclass
class Archive:
    """Serves the job `j`, whatever its vault, and its output.

    Attributes:
        data: the bytes.
        ranges: ranges are answered with 206, else the whole is sent.
        hashes: answers that are a subtree carry its hash, and so does the whole.
        state: StatusCode of the job.
        spoil: changes an answer with bytes before it is sent.
        gate: answers with bytes wait for it.
        tree_hash: how hashes are made.
        hash_header: header that has them.
    """

    data: bytes
    ranges: bool = True
    hashes: bool = True
    state: str = "Succeeded"
    spoil: Spoil = lambda request, answer: answer
    gate: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    tree_hash: TreeHash = SHA256
    hash_header: str = HASH_HEADER

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, request: Request, wire: Wire) -> Answer | None:
        if not request.path.endswith("/output"):
            facts = {"JobId": "j", "Action": "ArchiveRetrieval", "StatusCode": self.state}
            return Answer(body=json.dumps(facts).encode())
        if self.state != "Succeeded":
            return refusal(400, "InvalidParameterValueException", "not available for download")
        self.arrived.release()
        if not self.gate.wait(60):
            return None
        answer = self.spoil(request, self.answer(request.span))
        return answer if isinstance(answer, Answer) else answer(request, wire)

    def answer(self, span: tuple[int, int] | None) -> Answer:
        """The right answer."""
        first, stop = span or (0, len(self.data))
        headers: dict[str, str | None] = {}
        if span and self.ranges:
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(self.data)}"
        else:
            first, stop = 0, len(self.data)
        run = range(first // MIB, -(-stop // MIB))
        aligned = first % MIB == 0 and (stop % MIB == 0 or stop == len(self.data))
        if self.hashes and aligned and is_subtree(run, -(-len(self.data) // MIB)):
            headers[self.hash_header] = root(self.data[first:stop], self.tree_hash).hex()
        status = 206 if span and self.ranges else 200
        return Answer(status, self.data[first:stop], headers)


@dataclass
class InArchive(Archive):
    """Serves a job whose output lies in a larger archive: hashes come where that one has them.

    Attributes:
        first: leaf of the archive with which the output begins.
        leaves: leaves of the archive.
    """

    first: int = 0
    leaves: int = 0

    def answer(self, span: tuple[int, int] | None) -> Answer:
        answer = super().answer(span)
        first, stop = span if span and self.ranges else (0, len(self.data))
        run = range(self.first + first // MIB, self.first + -(-stop // MIB))
        known = self.hashes and is_subtree(run, self.leaves)
        digest = root(self.data[first:stop], self.tree_hash).hex().upper() if known else None
        return with_headers(answer, **{self.hash_header: digest})


def with_headers(answer: Answer, **changes: str | None) -> Answer:
    """An answer with other headers; `Content_Range` is Content-Range, None leaves one out."""
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    return replace(answer, headers={**answer.headers, **named})


def content_range(text: str | None) -> Spoil:
    """Another Content-Range."""
    return lambda request, answer: with_headers(answer, Content_Range=text)


def resized(change: Callable[[bytes], bytes]) -> Spoil:
    """Another body, with the Content-Length that fits it."""
    return lambda request, answer: replace(answer, body=change(answer.body))


def lengthless(change: Callable[[bytes], bytes]) -> Spoil:
    """Another body, whose length only the end of the connection tells."""
    return lambda request, answer: with_headers(
        replace(answer, body=change(answer.body)), Content_Length=None
    )


def with_status(status: int) -> Spoil:
    """Another status."""
    return lambda request, answer: replace(answer, status=status)


def encoded(name: str) -> Spoil:
    """Another Content-Encoding, of the same body."""
    return lambda request, answer: with_headers(answer, Content_Encoding=name)


def once(spoil: Spoil, times: int = 1) -> Spoil:
    """Spoil only the first answers."""
    left = threading.Semaphore(times)
    return lambda request, answer: (
        spoil(request, answer) if left.acquire(blocking=False) else answer
    )


def wrong_at(place: int) -> Spoil:
    """Change a byte of the output in every answer that carries it."""

    def spoil(request: Request, answer: Answer) -> Answer:
        first = request.span[0] if request.span and answer.status == 206 else 0
        if not first <= place < first + len(answer.body):
            return answer
        return replace(answer, body=flipped(answer.body, place - first))

    return spoil


def cut_after(size: int) -> Spoil:
    """Break the connection after that many bytes of the body."""
    return lambda request, answer: lambda request, wire: wire.send(answer.head + answer.body[:size])
