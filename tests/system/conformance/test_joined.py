"""Archives that range jobs bring together: the same bytes, the same checks, from every service."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casfs.deadline import Deadline
from casfs.errors import ExpiredError, OutputMismatchError
from casfs.model import Job, Output
from casfs.service.registry import DIALECTS
from casfs.tree.coverage import joined_output
from casfs.treehash import Digest
from tests.support.archive import root
from tests.support.blocks import Bringing, bringing
from tests.support.emulated_service import REGION, VAULT, Service, serving
from tests.support.served import MIB
from tests.support.service import KEY

BLOCKS = 13
SIZE = BLOCKS * MIB - 4321

Ranges = Mapping[str, tuple[int, int]]
"""First block of each job, and the one behind its last, by its id."""

emulated = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def archive(dialect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(dialect, tmp_path_factory.mktemp(dialect), {"file": SIZE}) as running:
        yield running


@st.composite
def covers(draw: st.DrawFn) -> Ranges:
    """Ranges that cover the archive, some of which overlap."""
    borders = sorted(draw(st.sets(st.integers(1, BLOCKS - 1), max_size=4)))
    ranges = {}
    for first, stop in zip([0, *borders], [*borders, BLOCKS], strict=True):
        begin = first - draw(st.integers(0, min(first, 2)))
        ranges[f"job-{begin}-{stop}"] = (begin, stop)
    return ranges


def add_jobs(service: Service, ranges: Ranges) -> None:
    for name, (first, stop) in ranges.items():
        service.add_part("file", name, first * MIB, min(stop * MIB, SIZE))


def bringing_from(service: Service, folder: Path) -> AbstractContextManager[Bringing]:
    dialect = DIALECTS[service.dialect].dialect("-", KEY, REGION)
    return bringing(service.emulator.url, folder, dialect=dialect)


def joined(parts: Bringing, names: Ranges, tree_hash: Digest | None = None) -> Output:
    jobs = [job for job in listed(parts) if job.id in names]
    found = joined_output(jobs, SIZE, tree_hash, parts.service.origin)
    assert found is not None
    return found


def listed(parts: Bringing) -> list[Job]:
    return list(parts.service.jobs(VAULT, Deadline(30)))


def read_all(parts: Bringing, output: Output) -> bytes:
    reader = parts.reader(output)
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, SIZE, MIB))


def blocks_sent(service: Service, ranges: Ranges, before: int) -> Counter[int]:
    """How often each block of the archive was sent since; checks that each answer was whole."""
    counted: Counter[int] = Counter()
    for entry in service.emulator.outputs()[before:]:
        assert (entry.status, entry.range is None) == (206, False)
        begin, _, last = str(entry.range).removeprefix("bytes=").partition("-")
        assert entry.bytes == int(last) + 1 - int(begin), "across a border"
        first = ranges[entry.path.split("/")[-2]][0]
        counted.update(range(first + int(begin) // MIB, first + -(-(int(last) + 1) // MIB)))
    return counted


@emulated
@given(covers())
def test_range_jobs_cover_an_archive_together(archive: Service, ranges: Ranges) -> None:
    add_jobs(archive, ranges)
    with tempfile.TemporaryDirectory() as folder:
        before = len(archive.emulator.outputs())
        with bringing_from(archive, Path(folder)) as parts:
            output = joined(parts, ranges)
            tree = parts.service.tree_hash
            assert output.tree_hash == root(archive.files["file"], tree), "the jobs tell it"
            assert read_all(parts, output) == archive.files["file"]
            assert parts.cache.open(output).verified() == "yes"
        assert blocks_sent(archive, ranges, before) == dict.fromkeys(range(BLOCKS), 1)
        before = len(archive.emulator.outputs())
        with bringing_from(archive, Path(folder)) as parts:
            (whole,) = [job for job in listed(parts) if job.id == archive.jobs["file"]]
            assert read_all(parts, parts.service.output(whole, SIZE)) == archive.files["file"]
        assert archive.emulator.outputs()[before:] == [], "a job for all of it finds the blocks"


def test_where_one_of_the_jobs_has_expired(archive: Service, tmp_path: Path) -> None:
    ranges = {"left": (0, 5), "passing": (5, 9), "right": (9, BLOCKS)}
    add_jobs(archive, ranges)
    data = archive.files["file"]
    with bringing_from(archive, tmp_path) as parts:
        output = joined(parts, ranges)
        jobs = {job.id: job for job in listed(parts)}
        parts.reader(output).pread(1, 6 * MIB)
        own = parts.service.output(jobs["passing"], 4 * MIB)
        parts.reader(own).pread(1, 0)
    archive.emulator.expire("passing")
    with bringing_from(archive, tmp_path) as parts:
        reader = parts.reader(output)
        for number in (0, 5, 6, 10):
            at = number * MIB
            assert bytes(reader.pread(MIB, at)) == data[at : at + MIB]
        with pytest.raises(ExpiredError):
            reader.pread(1, 8 * MIB)


def test_a_byte_that_is_wrong_in_the_service(
    dialect: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No answer of an odd range has a hash; the archive's own still tells."""
    ranges = {"left": (0, 5), "right": (5, BLOCKS)}
    with serving(dialect, tmp_path_factory.mktemp("spoilt"), {"file": SIZE}) as service:
        add_jobs(service, ranges)
        service.spoil(service.archives["file"], 7 * MIB + 5)
        with bringing_from(service, tmp_path) as parts:
            output = joined(parts, ranges)
            with pytest.raises(OutputMismatchError):
                read_all(parts, output)
            assert parts.cache.open(output).verified() == "no"
