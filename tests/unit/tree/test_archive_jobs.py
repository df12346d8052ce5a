"""Which jobs an archive is read from, and until when the service has what is needed of it."""

from datetime import UTC, datetime, timedelta

import pytest

from casfs.tree.archive_jobs import ArchiveJobs
from tests.support.archive import MIB
from tests.support.service import service_at
from tests.support.vaults import archive, job, vaults_at

SIZE = 4 * MIB
NOW = datetime(2024, 1, 2, tzinfo=UTC)


def job_of(name, first, stop, left):
    """A job for a range, in MiB, with so many hours left."""
    return job(
        name,
        "1",
        ArchiveSizeInBytes=SIZE,
        RetrievalByteRange=f"{first * MIB}-{stop * MIB - 1}",
        CompletionDate=(NOW - timedelta(hours=24 - left)).isoformat(),
    )


@pytest.fixture
def vaults(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as made:
        made.take("i", [archive("1", "a.bin", size=SIZE)])
        yield made


def read_from(vaults, listed, retained):
    """The jobs that are read, and the hours that the service has what they are to bring."""
    vaults.list_jobs(*listed, *retained)
    vaults.catalog.list_jobs("v", listed, 2.0)
    with service_at("http://127.0.0.1:1") as service:
        jobs = ArchiveJobs(service, vaults.database)
        output, until = jobs.output_until("v", vaults.archives.by_id("v", "1"))
    left = None if until is None else (until - NOW) / timedelta(hours=1)
    return [source.job_id for source in output.sources], left


def test_an_archive_is_read_from_what_lasts(vaults):
    listed = [job_of("soon", 0, 4, 1), job_of("left", 0, 2, 9), job_of("right", 2, 4, 8)]
    assert read_from(vaults, listed, []) == (["left", "right"], 8)


def test_half_of_what_is_read_may_be_in_the_cache_alone(vaults):
    halves = [job_of("left", 0, 2, 0)], [job_of("right", 2, 4, 8)]
    assert read_from(vaults, halves[1], halves[0]) == (["left", "right"], 8)


def test_what_the_cache_may_have_lost_is_read_from_what_the_service_has(vaults):
    retained = [job_of("left", 0, 2, 0), job_of("right", 2, 4, 0)]
    assert read_from(vaults, [job_of("most", 1, 4, 8)], retained) == (["left", "most"], 8)


def test_what_nobody_has_is_not_asked_of_anybody(vaults):
    listed = [job_of("middle", 1, 2, 8), job_of("longer", 1, 3, 9)]
    assert read_from(vaults, listed, []) == (["", "longer", ""], 9)
