"""Caches and fetchers on a folder of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casfs.blocks.block import Block
from casfs.blocks.block_cache import BlockCache
from casfs.blocks.disk.eviction import Evictor
from casfs.blocks.disk.leaf_index import LeafIndex
from casfs.blocks.disk.provisional import Transfer
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.disk.write_behind import WriteBehind
from casfs.blocks.read_limits import ReadLimits
from casfs.blocks.reader import Reader
from casfs.blocks.verify import Digest, LeafVerdict, Trust, Verifier
from casfs.metrics import Metrics
from casfs.model import Output
from casfs.service.dialect import Dialect
from casfs.service.service import Service
from tests.support.service import service_at


@dataclass
class Bringing:
    """A cache and what it is made of."""

    service: Service
    cache: BlockCache
    disk: DiskCache
    write_behind: WriteBehind
    metrics: Metrics

    def reader(self, output: Output) -> Reader:
        return Reader(self.cache, self.cache.open(output), self.metrics)

    def count(self, name: str) -> int:
        value = self.metrics.as_dict()[name]
        assert isinstance(value, int)
        return value

    def blocks(self, source: str) -> int:
        value = self.metrics.as_dict()["blocks"]
        return value.get(source, 0) if isinstance(value, dict) else 0


@contextmanager
def bringing(
    url: str,
    folder: Path,
    *,
    memory: int = 64 << 20,
    cache_size: int = 1 << 30,
    connections: int = 4,
    deadline: float = 30,
    attempts: int | None = 3,
    dialect: Dialect | None = None,
    **tries: Any,
) -> Iterator[Bringing]:
    metrics = Metrics()
    with service_at(url, metrics=metrics, dialect=dialect, attempts=attempts, **tries) as service:
        disk = DiskCache(folder, Verifier(service.tree_hash), metrics)
        write_behind = WriteBehind(Evictor(disk.directory, cache_size, metrics), metrics)
        cache = BlockCache(
            service, disk, write_behind, ReadLimits(memory, connections, deadline), metrics
        )
        try:
            yield Bringing(service, cache, disk, write_behind, metrics)
        finally:
            service.close()
            cache.close()


def block_files(folder: Path) -> dict[str, Path]:
    """The files of all blocks in a cache, by their number; there is one output in it."""
    return {path.name: path for path in folder.glob("blocks-*/??/*/*/*") if path.is_file()}


def leaves_file(folder: Path) -> Path:
    (found,) = folder.glob("blocks-*/??/*/leaves")
    return found


def put_leaf(
    leaves: LeafIndex,
    number: int,
    leaf: Digest,
    trust: Trust,
    generation: int | None = None,
    transfer: Transfer | None = None,
) -> LeafVerdict:
    """Record the leaf of a block, also in the file; return the verdict."""
    block = Block(number, memoryview(b""), leaf, trust, provisional=transfer is not None)
    judged = leaves.put([block], generation, transfer)
    leaves.flush()
    return judged.verdict


def judge_leaf(
    leaves: LeafIndex, number: int, leaf: Digest, trust: Trust, generation: int | None = None
) -> LeafVerdict:
    """Return what is known of a block with a leaf."""
    return leaves.judge([Block(number, memoryview(b""), leaf, trust)], generation).verdict
