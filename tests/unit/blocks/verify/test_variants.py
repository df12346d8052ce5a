"""Both ways to hash a tree, through everything that touches a block: the same promises hold."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casfs.blocks.disk.leaf_index import LeafIndex
from casfs.blocks.verify import Trust
from casfs.errors import MismatchError
from casfs.model import Output
from casfs.ranges import Layout
from casfs.service.cas import cas
from casfs.service.dialect import Dialect
from casfs.service.glacier import glacier
from casfs.service.oas import oas
from tests.support.archive import (
    MIB,
    Archive,
    InArchive,
    flipped,
    random_bytes,
    root,
    with_headers,
)
from tests.support.blocks import Bringing, block_files, bringing, leaves_file, put_leaf
from tests.support.server import Server, serving
from tests.support.service import KEY
from tests.support.subtrees import is_subtree

DIALECTS = [cas("-", KEY, ""), oas("-", KEY, ""), glacier("-", KEY, "eu-west-1")]
BLOCKS = 13
ARCHIVE_DATA = random_bytes(BLOCKS * MIB - 1234, seed=4)


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request):
    return request.param


@dataclass(frozen=True)
class Retrieved:
    """A job's output: where it lies in the archive, and the bytes."""

    first: int
    data: bytes

    def output(self, dialect: Dialect) -> Output:
        leaves = range(self.first, self.first + -(-len(self.data) // MIB))
        known = is_subtree(leaves, BLOCKS)
        return Output.of_job(
            "v",
            "j",
            hashlib.sha256(self.data + dialect.name.encode()).hexdigest(),
            Layout(len(self.data), self.first, BLOCKS),
            root(self.data, dialect.tree_hash) if known else None,
        )


@st.composite
def retrieved(draw):
    """Any range of whole blocks of the archive, as a job brings it."""
    first = draw(st.integers(0, BLOCKS - 1))
    stop = draw(st.integers(first + 1, BLOCKS))
    return Retrieved(first, ARCHIVE_DATA[first * MIB : stop * MIB])


READS = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 3 * MIB)), min_size=1, max_size=4)


def server_of(job: Retrieved, dialect: Dialect, **more) -> InArchive:
    return InArchive(
        job.data,
        tree_hash=dialect.tree_hash,
        hash_header=dialect.tree_hash_header,
        first=job.first,
        leaves=BLOCKS,
        **more,
    )


@pytest.fixture(scope="module")
def server():
    with serving(Archive(b"")) as running:
        yield running


def bringing_from(server: Server, folder: Path, dialect: Dialect):
    return bringing(server.url, folder, dialect=dialect, attempts=2)


def known(parts: Bringing) -> Bringing:
    parts.service.parse_vault(json.dumps({"VaultName": "v", "VaultId": "ID"}))
    return parts


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(retrieved(), READS, st.booleans())
def test_every_read_is_right_now_and_after_a_restart_without_asking(
    dialect, server, job, reads, hashes
):
    server.behaviour = server_of(job, dialect, hashes=hashes)
    output = job.output(dialect)
    with tempfile.TemporaryDirectory() as name:
        for restarted in (False, True):
            server.requests.clear()
            with bringing_from(server, Path(name), dialect) as made:
                reader = known(made).reader(output)
                for place, size in reads:
                    at = int(place * len(job.data))
                    assert bytes(reader.pread(size, at)) == job.data[at : at + size]
                whole = bytes(reader.pread(len(job.data), 0))
                assert whole == job.data
                checked = hashes or output.tree_hash is not None
                assert made.cache.open(output).verified() == ("yes" if checked else "no")
                reader.close()
            assert bool(server.requests) != restarted


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(retrieved(), st.data())
def test_no_wrong_byte_passes_where_there_is_a_hash(dialect, server, job, data):
    at = data.draw(st.integers(0, len(job.data) - 1))
    right = server_of(job, dialect)
    wrong = server_of(Retrieved(job.first, flipped(job.data, at)), dialect)
    wrong.spoil = lambda request, answer: with_headers(
        answer,
        **{dialect.tree_hash_header: right.answer(request.span).headers[dialect.tree_hash_header]},
    )
    server.behaviour = wrong
    with (
        tempfile.TemporaryDirectory() as name,
        bringing_from(server, Path(name), dialect) as made,
        pytest.raises(MismatchError),
    ):
        known(made).reader(job.output(dialect)).pread(1, at)


@pytest.mark.parametrize("at", [0, MIB + 5, 3 * MIB])
def test_a_block_that_rots_on_disk_comes_again(dialect, server, tmp_path, at):
    job = Retrieved(0, ARCHIVE_DATA[: 4 * MIB])
    server.behaviour = server_of(job, dialect)
    for spoiled in (False, True):
        with bringing_from(server, tmp_path, dialect) as made:
            assert bytes(known(made).reader(job.output(dialect)).pread(4 * MIB, 0)) == job.data
            assert made.count("rotten_blocks") == spoiled
        if not spoiled:
            path = block_files(tmp_path)[str(at // MIB)]
            path.write_bytes(flipped(path.read_bytes(), at % MIB))


@given(st.data(), st.integers(1, 40))
def test_leaves_of_any_length_are_kept(data, count):
    tree_hash = data.draw(st.sampled_from([dialect.tree_hash for dialect in DIALECTS]))
    layout = Layout(count * MIB - 1, 0, count)
    wanted = [tree_hash.leaf(bytes([n])) for n in range(count)]
    order = data.draw(st.permutations(range(count)))
    with tempfile.TemporaryDirectory() as name:
        leaves = LeafIndex(Path(name) / "leaves", layout, tree_hash)
        for number in order:
            put_leaf(leaves, number, wanted[number], Trust.CHECKED)
        assert leaves.root() == tree_hash.root(wanted)
        again = LeafIndex(Path(name) / "leaves", layout, tree_hash)
        assert [again.leaf(number) for number in range(count)] == wanted
        assert again.root() == tree_hash.root(wanted)


def test_the_file_of_leaves_holds_one_record_a_block(dialect, server, tmp_path):
    job = Retrieved(0, ARCHIVE_DATA)
    server.behaviour = server_of(job, dialect)
    with bringing_from(server, tmp_path, dialect) as made:
        known(made).reader(job.output(dialect)).pread(len(job.data), 0)
    digest = {"cas": 32, "glacier": 32, "oas": 16}[dialect.name]
    assert leaves_file(tmp_path).stat().st_size == BLOCKS * (1 + digest)
