"""Decides whether a job is accepted, how long it runs, and whether it fails."""

from collections.abc import Callable
from random import Random

from casfs.emulator.engine.errors import BadValueError, CapacityError, PolicyError
from casfs.emulator.engine.policies import FREE_TIER, Policies
from casfs.emulator.engine.records import Archive, Job
from casfs.emulator.engine.store import Store
from casfs.emulator.settings import Settings, VaultFormQuestions

_DAY = 24 * 3600


class Admission:
    """What the account allows.

    Args:
        store: holds the jobs.
        settings: tiers, limits and capacity.
        policies: keeps the data retrieval policy.
        clock: returns Unix seconds.
    """

    def __init__(
        self, store: Store, settings: Settings, policies: Policies, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._settings = settings
        self._policies = policies
        self._clock = clock
        self._dice = Random(settings.fault_seed)  # noqa: S311 - nothing secret is drawn

    def check(self, job: Job, archive: Archive) -> None:
        """Check whether a retrieval is accepted, whose range is known.

        Raises:
            BadValueError: the archive is too large for Expedited.
            CapacityError: too many Expedited jobs are running.
            PolicyError: the data retrieval policy does not allow it.
        """
        if job.tier == "Expedited":
            self._check_expedited(archive)
        if job.tier == "Standard" and self._settings.rules.has_policy:
            self._check_policy(job)

    def seconds(self, job: Job, archive: Archive | None) -> float:
        """Return how long a job runs."""
        tier = "inventory" if job.kind == "inventory" else (job.tier or "Standard").lower()
        if tier == "expedited" and archive is not None and self._is_over_limit(archive):
            tier = "standard"
        return self._settings.tier_seconds.get(tier, self._settings.job_seconds)

    def failure(self) -> str | None:
        """Return why the next job fails, None if it does not."""
        if self._dice.random() < self._settings.fail_jobs:
            return "The job failed because of an internal failure."
        return None

    def _check_expedited(self, archive: Archive) -> None:
        questions, capacity = self._settings.questions, self._settings.expedited_capacity
        refuses = isinstance(questions, VaultFormQuestions) and (
            questions.expedited_over_limit == "refused"
        )
        if refuses and self._is_over_limit(archive):
            limit = self._settings.rules.expedited_limit
            raise BadValueError(f"Expedited takes archives of up to {limit} bytes")
        if capacity is not None:
            count, _ = self._store.jobs.running("Expedited", self._clock())
            if count >= capacity:
                raise CapacityError("There is insufficient capacity for an Expedited retrieval")

    def _is_over_limit(self, archive: Archive) -> bool:
        limit = self._settings.rules.expedited_limit
        return limit is not None and archive.size > limit

    def _check_policy(self, job: Job) -> None:
        policy, now = self._policies.get(), self._clock()
        asked = (job.last or 0) - (job.first or 0) + 1
        used, allowed = 0, policy.amount
        if policy.strategy == "BytesPerHour":
            _, used = self._store.jobs.running("Standard", now)
        elif policy.strategy == "FreeTier":
            used = self._store.jobs.requested("Standard", now - now % _DAY)
            allowed = FREE_TIER if allowed is None else allowed
        else:
            return
        if allowed is not None and used + asked > allowed:
            raise PolicyError("InitiateJob request denied by current data retrieval policy.")
