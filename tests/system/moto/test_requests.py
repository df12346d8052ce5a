"""casfs asks a foreign Glacier for jobs, and sees the jobs of other tools there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casfs.credentials import Credentials
from casfs.deadline import Deadline
from casfs.job_requests import JobRequest, NotAccepted, Refusal, Started, Tier
from casfs.service.glacier import glacier
from casfs.service.service import Service
from tests.support.adopting import adopts_and_is_seen
from tests.support.emulator import amazon
from tests.support.emulator.running import KEY_ID, SECRET
from tests.support.service import service_at
from tests.system.moto.serving import VAULT, moto


@contextmanager
def asking(url: str) -> Iterator[Service]:
    dialect = glacier("-", Credentials(KEY_ID, SECRET), amazon.REGION)
    with service_at(url, dialect=dialect) as service:
        yield service


def test_a_job_is_started_and_boto3_sees_it(tmp_path: Path) -> None:
    with moto(tmp_path, {}) as running, amazon.boto3_at(running.url) as client:
        archive = client.upload_archive(vaultName=VAULT, body=b"data")["archiveId"]
        with asking(running.url) as service:
            request = JobRequest(
                vault=VAULT, archive_id=archive, tier=Tier.EXPEDITED, description="casfs 1"
            )
            started = service.start_job(request, Deadline(20))
            assert isinstance(started, Started)
            (job,) = client.list_jobs(vaultName=VAULT)["JobList"]
            assert (job["JobId"], job["ArchiveId"]) == (started.job_id, archive)
            other = amazon.retrieve(client, VAULT, archive)
            listed = {one.id for one in service.jobs(VAULT, Deadline(20))}
            assert listed == {started.job_id, other}


def test_the_command_adopts_the_jobs_of_boto3_which_sees_its_own(tmp_path: Path) -> None:
    with moto(tmp_path, {}) as running, amazon.boto3_at(running.url) as client:
        uploaded = [client.upload_archive(vaultName=VAULT, body=body) for body in (b"1", b"2")]
        first, second = (one["archiveId"] for one in uploaded)
        adopts_and_is_seen(
            running.url, "glacier", VAULT, tmp_path, (first, second),
            lambda archive: amazon.retrieve(client, VAULT, archive),
            lambda: str(client.list_jobs(vaultName=VAULT)["JobList"]),
        )  # fmt: skip


def test_what_is_missing_is_reported(tmp_path: Path) -> None:
    with moto(tmp_path, {}) as running, asking(running.url) as service:
        # moto has no such call.
        assert service.retrieval_policy(Deadline(20)) is None
        gone = service.start_job(JobRequest(vault="nowhere", archive_id="a"), Deadline(20))
        assert isinstance(gone, NotAccepted)
        assert gone.why is Refusal.VAULT_GONE
