"""Sends later waves, and what turns out not to be accepted, while earlier jobs are waited for."""

import logging
from collections.abc import Callable

from casfs.errors import CatalogError, DeadlineError, TransientError
from casfs.restore.clock import now
from casfs.restore.running import Outcome, Run

log = logging.getLogger(__name__)

_RETRY = 60.0
"""Seconds between two attempts that bring nothing: each lists all jobs."""


class Waves:
    """What a run still has to send; a `Supply` of `Waiting`.

    Args:
        run: the run, whose first wave is sent.
        outcome: of the first wave.
        settle_seconds: time after which a request that no list shows was not accepted.
        report: tells what a wave brought; returns the ids of the jobs that are new.

    Attributes:
        outcome: of all waves so far.
    """

    def __init__(
        self,
        run: Run,
        outcome: Outcome,
        settle_seconds: float,
        report: Callable[[Outcome], set[str]],
    ) -> None:
        self.outcome = outcome
        self._run = run
        self._report = report
        self._pause = max(1.0, min(_RETRY, settle_seconds / 2))
        self._settle_at = _uptime() + self._pause
        self._send_at = _uptime()

    @property
    def is_pending(self) -> bool:
        """Return whether more may come."""
        return not self._run.has_stopped and bool(self.outcome.left or self.outcome.uncertain)

    def poll(self) -> set[str]:
        """Send what may be sent now; return the ids of the jobs that are new.

        Raises:
            LedgerError: the ledger fails.
            CasfsError: the service refuses us; not where a later attempt may succeed.
        """
        moment, left = _uptime(), self.outcome.left
        settles = bool(self.outcome.uncertain) and moment >= self._settle_at
        sends = bool(left) and moment >= self._send_at and self._run.has_room()
        if not settles and not sends:
            return set()
        self._settle_at = moment + self._pause
        self._send_at = moment + _RETRY
        try:
            self.outcome = self._run.go_on()
        except (TransientError, DeadlineError, CatalogError) as error:
            # Nothing is sent without the catalog: it knows what need not be paid for.
            log.warning(
                "the next wave is sent later, as the jobs cannot be listed or cataloged now: %s",
                error,
            )
            return set()
        if self.outcome.left < left:
            self._send_at = moment
        return self._report(self.outcome)


def _uptime() -> float:
    return now().uptime
