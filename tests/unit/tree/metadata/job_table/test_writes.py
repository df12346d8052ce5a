"""What a listing of many jobs costs the disk."""

from pathlib import Path

from casfs.credentials import Credentials
from casfs.service.cas import cas
from tests.support.catalogs import catalog_at

DIALECT = cas("-", Credentials("AKID", "secret"), "")
JOBS = 15_000


def jobs():
    for number in range(JOBS):
        facts = {
            "JobId": f"job-{number:07d}",
            "Action": "ArchiveRetrieval",
            "ArchiveId": f"archive-{number:07d}",
            "StatusCode": "Succeeded",
            "JobDescription": "x" * 600,
        }
        yield DIALECT.job("v", facts)


def written() -> int:
    """Bytes that this process has written to files, whether or not they reached a disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def test_a_first_listing_writes_a_few_times_its_size(tmp_path):
    """What is saved to take single rows back went to a file: twenty times the size."""
    with catalog_at(tmp_path / "catalog.sqlite") as catalog:
        before = written()
        catalog.list_jobs("v", jobs(), 0)
        size = sum(len(text) for _, text, _ in catalog.jobs("v"))
        assert written() - before < 6 * size
