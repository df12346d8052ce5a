"""Waits for jobs: asks seldom, and for all of them at once.

Waits go by the clock that nobody sets, and that goes on while the machine is suspended. When a job
may be ready follows from the times that the service states, and from the service's clock: that of
this machine may be hours wrong.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from casfs.errors import CasfsError, DeadlineError, NotFoundError, TransientError
from casfs.model import JobState
from casfs.restore.clock import now
from casfs.restore.sweeps import ListedJob, Sweeps

log = logging.getLogger(__name__)

INTERVAL = 300.0
"""Seconds between two lists, once a job may be ready."""
_JITTER = 0.1
_LONGEST_SLEEP = 30.0
_SHARED = 0.5
"""Part of a pause for which the list of another process is good enough."""


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long and how often to ask.

    Attributes:
        timeout: seconds to wait, None for any time.
        any: one job that has ended is enough.
        interval: seconds between two lists, whatever the tiers; None for what is polite.
    """

    timeout: float | None = None
    any: bool = False
    interval: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a list brought.

    Attributes:
        ended: jobs that have ended since the list before.
        running: those that are still waited for.
        pause: seconds until the next list; None if there is none, because this was the last.
        failure: why there was no list, None if there was one.
    """

    ended: list[ListedJob]
    running: list[ListedJob]
    pause: float | None
    failure: CasfsError | None = None


class Supply(Protocol):
    """Jobs that are still to be started while others are waited for."""

    @property
    def is_pending(self) -> bool:
        """Return whether more may come."""
        ...

    def poll(self) -> set[str]:
        """Start what can be started now; return the ids of new jobs to wait for.

        Raises:
            CasfsError: nothing more may be started.
        """
        ...


def soonest(job: ListedJob) -> timedelta:
    """Return how long a job runs at least."""
    return job.tier.soonest if job.tier else timedelta(0)


def pause_until(
    running: Iterable[ListedJob], service_now: datetime | None, interval: float | None
) -> float:
    """Return the seconds until the next list is worth it.

    Args:
        running: the jobs that are waited for.
        service_now: the time by the service's clock, None if it does not tell.
        interval: seconds between two lists, None for what is polite.
    """
    wait = INTERVAL if interval is None else interval
    if interval is None and service_now is not None:
        waits = (_pause(job, service_now - job.created) for job in running if job.created)
        wait = min(waits, default=wait)
    return wait * (1 + random.uniform(0, _JITTER))  # noqa: S311 - nothing secret


def _pause(job: ListedJob, age: timedelta) -> float:
    """Return the seconds until another list may show that a job of some age is done."""
    wait = INTERVAL
    if job.tier is not None and age < job.tier.latest:
        # One that takes a few minutes is not to be noticed after a few more.
        wait = min(wait, job.tier.soonest.total_seconds())
    return max(wait, (soonest(job) - age).total_seconds())


class Waiting:
    """Waits for jobs of one vault.

    Args:
        sweeps: lists them.
        describe: asks for a single job that no list shows; raises NotFoundError if it is gone.
        service_now: returns the time by the service's clock, None if that is unknown.
        sleep: sleeps so many seconds, and may return early.
        supply: starts more jobs meanwhile, None if there are no more.
    """

    def __init__(
        self,
        sweeps: Sweeps,
        describe: Callable[[str], ListedJob],
        service_now: Callable[[], datetime | None],
        sleep: Callable[[float], object] = time.sleep,
        supply: Supply | None = None,
    ) -> None:
        self._sweeps = sweeps
        self._describe = describe
        self._service_now = service_now
        self._sleep = sleep
        self._supply = supply

    def until_ended(
        self, first: list[ListedJob], wanted: set[str], limits: WaitLimits
    ) -> Iterator[Progress]:
        """Yield what each list brings, until all jobs have ended, or one, or the time is over.

        A job that no list shows is asked for: a list may show a new job late, and an output that
        has expired is shown no more. One that is gone has failed.

        Args:
            first: a list that was just made.
            wanted: ids of the jobs to wait for.
            limits: how long to wait.

        Raises:
            CasfsError: the service refuses us.
        """
        end = None if limits.timeout is None else _uptime() + limits.timeout
        left, listed = set(wanted), first
        failure: CasfsError | None = None
        while True:
            ended: list[ListedJob] = []
            running: list[ListedJob] = []
            if failure is None:
                ended, running = self._sorted(listed, left)
                left = {job.id for job in running}
            done = not left and not self._is_more_to_come() if failure is None else False
            if done or (limits.any and ended):
                yield Progress(ended, running, None, failure)
                return
            pause = pause_until(running, self._service_now(), limits.interval)
            if end is not None:
                remaining = end - _uptime()
                if remaining <= 0:
                    yield Progress(ended, running, None, failure)
                    return
                pause = min(pause, remaining)
            yield Progress(ended, running, pause, failure)
            left |= self._sleep_all(pause, not left)
            if not left:
                # Nothing was started yet, so that there is nothing to list.
                failure = None
                continue
            # One's own last list is older.
            longest = INTERVAL if limits.interval is None else limits.interval
            try:
                listed, failure = self._sweeps.jobs(min(pause, longest) * _SHARED), None
            except (TransientError, DeadlineError) as error:
                failure = error

    def _sorted(
        self, listed: list[ListedJob], left: set[str]
    ) -> tuple[list[ListedJob], list[ListedJob]]:
        """Return those of the jobs that have ended, and those that run."""
        found = {job.id: job for job in listed if job.id in left}
        for job_id in sorted(left - found.keys()):
            try:
                found[job_id] = self._describe(job_id)
            except NotFoundError:
                message = "the service no longer has it; its output has expired"
                gone = ListedJob(job_id, "other", JobState.FAILED, None, None, None, None, message)
                found[job_id] = gone
            except (TransientError, DeadlineError) as error:
                log.info("job %s is assumed to be running: %s", job_id, error)
                state = JobState.RUNNING
                found[job_id] = ListedJob(job_id, "other", state, None, None, None, None)
        jobs = sorted(found.values(), key=lambda job: job.id)
        ended = [job for job in jobs if job.state is not JobState.RUNNING]
        return ended, [job for job in jobs if job.state is JobState.RUNNING]

    def _sleep_all(self, seconds: float, is_idle: bool) -> set[str]:
        """Sleep; return jobs that were started meanwhile, and are to be waited for as well.

        Args:
            seconds: for how long.
            is_idle: no job runs: it ends once nothing more may be started.
        """
        end = _uptime() + seconds
        started: set[str] = set()
        while (remaining := end - _uptime()) > 0:
            # A sleep does not count the time for which the machine is suspended.
            self._sleep(min(remaining, _LONGEST_SLEEP))
            if self._supply is not None and self._supply.is_pending:
                found = self._supply.poll()
                if is_idle and not (started or found or self._supply.is_pending):
                    break
                if found and not started:
                    # They may be done before those that run already.
                    end = min(end, _uptime() + INTERVAL)
                started |= found
        return started

    def _is_more_to_come(self) -> bool:
        return self._supply is not None and self._supply.is_pending


def _uptime() -> float:
    return now().uptime
