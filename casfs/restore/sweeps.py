"""One list of a vault's jobs for all processes of this machine that wait for some of them.

Whoever makes a list leaves it in the state directory; a process that wants one that is no older
takes that instead of asking the service. A lock lets one process ask at a time.
"""

import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from casfs.deadline import Deadline
from casfs.errors import CasfsError
from casfs.job_requests import Tier
from casfs.ledger.files import SWEEPS, state_directory
from casfs.model import Job, JobState
from casfs.reasons import reason
from casfs.restore.clock import Moment, now

log = logging.getLogger(__name__)

_VERSION = 1
_LOCK_TICK = 0.1
"""Seconds between two attempts to get the lock of another process that asks."""


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job as a list has it; times are UTC by the service's clock.

    Attributes:
        kind: `archive`, `inventory` or `other`.
        tier: None where there is none, or the service does not tell.
        message: why it failed, in the service's words; "" if it did not.
        ready: by when it is done, if it takes as long as usual.
    """

    id: str
    kind: str
    state: JobState
    archive_id: str | None
    tier: Tier | None
    created: datetime | None
    expires: datetime | None
    message: str = ""
    ready: datetime | None = None

    @classmethod
    def of(cls, job: Job) -> "ListedJob":
        """Return what there is to know of a job."""
        facts = json.loads(job.raw)
        tier, message = facts.get("Tier"), facts.get("StatusMessage")
        failed = job.state is JobState.FAILED
        return cls(
            id=job.id,
            kind=job.kind.value,
            state=job.state,
            archive_id=job.archive_id,
            tier=Tier.named(tier),
            created=job.created,
            expires=job.expires if job.state is JobState.SUCCEEDED else None,
            message=str(message or "") if failed else "",
            ready=job.ready,
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as `from_json` takes it."""
        return asdict(self) | {
            "state": self.state.value,
            "tier": self.tier and self.tier.value,
            "created": self.created and self.created.isoformat(),
            "expires": self.expires and self.expires.isoformat(),
            "ready": self.ready and self.ready.isoformat(),
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> "ListedJob":
        """Return the job that `as_json` returned.

        Raises:
            ValueError, TypeError, KeyError: it is none.
        """
        times = {
            name: facts[name] and datetime.fromisoformat(facts[name])
            for name in ("created", "expires", "ready")
        }
        state = JobState(facts["state"])
        return cls(**{**facts, **times, "state": state, "tier": Tier.named(facts["tier"])})


class Sweeps:
    """The lists of one vault.

    Args:
        directory: the state directory; None if there is none, and lists are not shared.
        account: identifies the account, as `account_key` returns it.
        vault: name of the vault.
        ask: asks the service for all jobs.
        seconds: how long asking may take, and waiting for another process that asks.
    """

    def __init__(
        self,
        directory: Path | None,
        account: str,
        vault: str,
        ask: Callable[[Deadline], Sequence[Job]],
        seconds: float,
    ) -> None:
        self._private = None if directory is None else state_directory(directory)
        name = hashlib.sha256(json.dumps([account, vault]).encode()).hexdigest()[:32]
        self._name = f"{name}.json"
        self._ask = ask
        self._seconds = seconds

    def jobs(self, age: float) -> list[ListedJob]:
        """Return all jobs, as a list of this or another process has them.

        Args:
            age: seconds that the list of another process may have been old when this was called.

        Raises:
            NotFoundError: there is no such vault.
            CasfsError: the service failed, or others could change the state directory.
        """
        oldest = now().uptime - age
        with self._locked(Deadline(self._seconds)) as path:
            known = _read(path, oldest)
            if known is not None:
                return known
            asked = now()
            found = [ListedJob.of(job) for job in self._ask(Deadline(self._seconds))]
            if path is not None:
                self._write(path, found, asked)
        return found

    @contextmanager
    def _locked(self, deadline: Deadline) -> Iterator[Path | None]:
        """Let one process at a time ask; yield the file for its list, None if it is not kept.

        Who waits for the lock longer than a list may take asks as well.
        """
        if self._private is None:
            yield None
            return
        directory = self._private.path / SWEEPS
        try:
            self._private.make_below(directory)
            lock = self._private.open(directory / f"{self._name}.lock", os.O_RDWR | os.O_CREAT)
        except OSError as error:
            if isinstance(error, CasfsError):
                raise
            log.warning("lists of jobs are not shared: cannot use %s: %s", directory, reason(error))
            yield None
            return
        try:
            while not _lock(lock) and not deadline.passed():
                time.sleep(_LOCK_TICK)
            yield directory / self._name
        finally:
            os.close(lock)

    def _write(self, path: Path, jobs: list[ListedJob], asked: Moment) -> None:
        head = {"version": _VERSION, "boot": asked.boot, "asked": asked.uptime}
        text = json.dumps(head | {"jobs": [job.as_json() for job in jobs]})
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            new.write_text(text)
            new.chmod(0o600)
            new.replace(path)
        except OSError as error:
            log.warning(
                "other processes must list the jobs again: cannot write %s: %s", path, reason(error)
            )
            new.unlink(missing_ok=True)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path | None, oldest: float) -> list[ListedJob] | None:
    """Return a list that was left at a path, None if there is none since `oldest` (uptime)."""
    if path is None:
        return None
    moment = now()
    try:
        facts = json.loads(path.read_bytes())
        if facts["version"] != _VERSION or facts["boot"] != moment.boot:
            return None
        if not oldest <= facts["asked"] <= moment.uptime:
            return None
        return [ListedJob.from_json(job) for job in facts["jobs"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.info("cannot use %s: %s", path, reason(error))
        return None
