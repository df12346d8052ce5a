"""The calls that a restore needs, the same for every dialect: listings, jobs, outputs."""

import json
from collections.abc import Iterator
from functools import partial

from casfs.deadline import Deadline
from casfs.errors import ForbiddenError, NotFoundError
from casfs.job_requests import JobFeatures, JobRequest, Outcome, RetrievalPolicy
from casfs.metrics import Metrics
from casfs.model import Job, Output, Vault, output_of
from casfs.service.archive_descriptions import ReceivedDescriptions
from casfs.service.dialect import Dialect
from casfs.service.error_mapping import json_body
from casfs.service.job_calls import JobCalls
from casfs.service.output_body import body_of
from casfs.service.output_calls import JobsPaths, OutputCalls
from casfs.service.paging import listed
from casfs.service.retries import Limits
from casfs.service.service_clock import ServiceClock
from casfs.service.throttle import Throttle
from casfs.service.transport import Transport
from casfs.service.vault_addresses import Addresses


class Service:
    """One account of an archive service.

    Attributes:
        dialect: its wire form.
        origin: dialect, endpoint, `owner` (whose vaults are seen there), and region where there are
            several behind one endpoint; what is cached of one origin is not another's.
        tree_hash: how archives are hashed.
        inventory_fields: how an inventory names vault and tree hash.
        descriptions: what answers said of archives beside their bytes.
        outputs: reads outputs, and measures them.
        measuring: measures outputs, and tells of those that have another size than it found.
        throttle: limits how fast outputs are received.
        any_range: a range of an output may begin anywhere, not only on a MiB.
    """

    def __init__(
        self, dialect: Dialect, endpoint: str, owner: str, limits: Limits, metrics: Metrics
    ) -> None:
        self.dialect = dialect
        self.any_range = dialect.any_range
        self.throttle = Throttle()
        # Two regions behind one endpoint hold different vaults.
        region = (dialect.region,) if dialect.region else ()
        self.origin = (dialect.name, endpoint, owner, *region)
        self._addresses = Addresses(dialect)
        self.descriptions = ReceivedDescriptions(dialect.description_header)
        self.tree_hash = dialect.tree_hash
        self.inventory_fields = dialect.inventory_fields
        self._transport = Transport(endpoint, dialect, limits, metrics)
        receive = partial(
            body_of,
            tree_hash_header=dialect.tree_hash_header,
            received=metrics.received_bytes.inc,
            throttle=self.throttle,
        )
        paths = JobsPaths(self._addresses.jobs_paths, self._jobs_path)
        self.outputs = OutputCalls(self._transport, paths, self.job, receive, self.descriptions)
        self.measuring = self.outputs.measuring
        self._job_calls = JobCalls(self._transport, dialect, self._address, self.vault)

    @property
    def closed(self) -> bool:
        """Return whether `close` was called, after which everything breaks off."""
        return self._transport.closed

    def close(self) -> None:
        """End every request under way."""
        self.throttle.close()
        self._transport.close()

    def received(self, thread: int) -> int | None:
        """Return the bytes that a thread's connection received; see `Transport.received`."""
        return self._transport.received(thread)

    def cut(self, thread: int) -> None:
        """End a thread's connection; see `Transport.cut`."""
        self._transport.cut(thread)

    def may_ask_again(self, lost: int, deadline: Deadline, little: bool = False) -> bool:
        """Wait as `Transport.may_ask_again`."""
        return self._transport.may_ask_again(lost, deadline, little)

    def vaults(self, deadline: Deadline) -> Iterator[Vault]:
        """Yield every vault of the account, page by page."""
        path = self.dialect.vaults_path()
        limit = self.dialect.vaults_limit
        keys = ("VaultList", "VaultName")
        for answer in listed(self._transport, "List Vaults", path, keys, limit, deadline):
            yield self._addresses.note(self.dialect.vault(answer))

    def vault(self, name: str, deadline: Deadline) -> Vault:
        """Return a vault.

        Raises:
            NotFoundError: there is none of that name.
        """
        path = self.dialect.vault_path(self._address(name, deadline))
        return self._transport.get(
            "Describe Vault",
            path,
            lambda answer: self._addresses.note(self.dialect.vault(json_body(answer))),
            deadline,
        )

    def undescribed_vault(self, name: str) -> Vault:
        """Return a vault of which no more than its name is known: its key may not ask for it."""
        facts = {"VaultName": name, self.dialect.vault_key: self._addresses.of(name) or name}
        return self._addresses.note(self.dialect.vault(facts))

    def jobs(self, vault: str, deadline: Deadline) -> Iterator[Job]:
        """Yield every job of a vault that the service still knows, page by page.

        Raises:
            NotFoundError: there is no such vault.
        """
        path = self._jobs_path(vault, deadline)
        limit = self.dialect.jobs_limit
        keys = ("JobList", "JobId")
        for answer in listed(self._transport, "List Jobs", path, keys, limit, deadline):
            yield self.dialect.job(vault, answer)

    def job(self, vault: str, job_id: str, deadline: Deadline) -> Job:
        """Return a job.

        Raises:
            NotFoundError: there is none, or it has expired.
        """
        path = self.dialect.job_path(self._address(vault, deadline), job_id)
        return self._transport.get(
            "Describe Job",
            path,
            lambda answer: self.dialect.job(vault, json_body(answer)),
            deadline,
        )

    def parse_vault(self, description: str) -> Vault:
        """Return the vault that an earlier answer, as JSON text, described."""
        return self._addresses.note(self.dialect.vault(json.loads(description)))

    def parse_job(self, vault: str, description: str) -> Job:
        """Return the job that an earlier answer, as JSON text, described."""
        return self.dialect.job(vault, json.loads(description))

    def output(self, job: Job, size: int) -> Output:
        """Return what is to be read of a job whose output has `size` bytes."""
        return output_of(job, size, self.origin)

    def measure(self, job: Job, deadline: Deadline) -> int:
        """Return the bytes of an output, as `Measuring.measure`."""
        return self.measuring.measure(job, deadline)

    @property
    def clock(self) -> ServiceClock:
        """Return the service's clock, as its answers with lists tell it."""
        return self._transport.clock

    @property
    def job_features(self) -> JobFeatures:
        """Return what the service's jobs know."""
        return self.dialect.job_features

    def start_job(self, request: JobRequest, deadline: Deadline) -> Outcome:
        """Send a request for a job, once, and return what came of it; see `JobStarter`."""
        return self._job_calls.start(request, deadline)

    def retrieval_policy(self, deadline: Deadline) -> RetrievalPolicy | None:
        """Return the account's data retrieval policy, None if it has none; see `JobStarter`."""
        return self._job_calls.policy(deadline)

    def _jobs_path(self, vault: str, deadline: Deadline) -> str:
        path = self.dialect.jobs_path(self._address(vault, deadline))
        # Where only the name could be tried, the address may become known later.
        if self._addresses.of(vault) is not None:
            self._addresses.jobs_paths.setdefault(vault, path)
        return path

    def _address(self, name: str, deadline: Deadline) -> str:
        """Return what names a vault in paths; lists the vaults if it is not known.

        Raises:
            NotFoundError: there is no such vault.
        """
        address = self._addresses.of(name)
        if address is not None:
            return address
        try:
            for vault in self.vaults(deadline):
                if vault.name == name:
                    return vault.address
        except ForbiddenError:
            # Who may not list vaults can name one only by what names it in paths.
            return name
        raise NotFoundError(f"there is no vault {name}")
