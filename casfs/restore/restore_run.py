"""A restore: plan, request, wait, fetch and write, in rounds until nothing is left.

Each round lists the jobs once, finds out what can be read by now, requests what may be requested,
and lets the lanes fetch what can be read meanwhile. What a plan contained to which the user agreed
is requested under that consent, in waves if there is a pace. What is lost after that (its job
failed, its output expired before it was fetched, or what was written is damaged) is requested again
only with consent: the user is asked each time, while everything else goes on, or agreed in advance
to as much as the plan said.
"""

import random
from datetime import UTC, datetime

from casfs.endpoints import is_this_machine
from casfs.errors import CatalogError, DeadlineError, TransientError
from casfs.restore.archive_restorer import ArchiveRestorer
from casfs.restore.clock import now
from casfs.restore.destination.manifest import FAILED, SKIPPED
from casfs.restore.destination.manifest_index import ManifestIndex
from casfs.restore.fetch_lanes import Fetcher
from casfs.restore.job_sending import Sent
from casfs.restore.preparing import Prepared
from casfs.restore.rerequests import EXHAUSTED, Rerequests
from casfs.restore.restore_planner import Question, Restore, RestorePlanner, RestoreProgress
from casfs.restore.running import Run
from casfs.restore.spool import Spool
from casfs.restore.verdict import DONE, Status, Verdict, stopped_by
from casfs.restore.work_items import Again, Stage

_INTERVAL = 300.0
"""Seconds between two lists of jobs."""
_AFTER_LOSS = 30.0
"""Seconds before another list where outputs expire, which they may do one after another."""
_EMULATOR_INTERVAL = 1.0
_JITTER = 0.1
_STEP = 1.0
"""Seconds between two reports of how far it is."""
_DECIDED = {Stage.SKIPPED: SKIPPED, Stage.KEPT: SKIPPED, Stage.FAILED: FAILED}
"""What the manifest says of stages that are reached without fetching."""
_LOST = "it has no output that can be fetched any more; --rerequest yes requests it again"


class RestoreRun:
    """Carries out a restore that the user agreed to.

    Args:
        restore: what is restored.
        planner: made the plan.
        fetcher: fetches what can be read.
        restorer: restores one archive, and records what became of others.
        manifest: of earlier runs, None if there is none.
        waits: whether to wait for jobs.
    """

    def __init__(
        self,
        restore: Restore,
        planner: RestorePlanner,
        fetcher: Fetcher,
        restorer: ArchiveRestorer,
        manifest: ManifestIndex | None,
        waits: bool,
    ) -> None:
        self._restore = restore
        self._planner = planner
        self._fetcher = fetcher
        self._restorer = restorer
        self._manifest = manifest
        self._waits = waits
        self._worklist = restore.worklist
        self._watcher = restore.watcher
        self._verdict = DONE
        self._progress = RestoreProgress()
        self._question: Question | None = None
        self._rerequests: Rerequests | None = None
        self._expired = 0
        """Archives whose output had expired when the jobs were last listed."""

    def run(self, prepared: Prepared, spool: Spool, again: bool) -> Verdict:
        """Restore everything; return how it ends.

        Args:
            prepared: the plan that the user agreed to.
            spool: what it requests.
            again: whether it includes what was requested before and is lost.

        Raises:
            CasfsError: service, catalog, ledger or manifest failed, so that it cannot go on.
        """
        self._record_decided()
        self._fetcher.start()
        if self._restore.options.rerequest == "yes":
            self._rerequests = Rerequests(prepared, self._restore.options)
        # The plan said what becomes of it, so that there is nothing to ask.
        self._worklist.decide(Again.LOST, None if again else _LOST)
        may_come = self._request(prepared, spool, again)
        while self._may_go_on(may_come):
            may_come = self._look()
        self._record_decided()
        self._restorer.recorder.drain()
        self._progress.phase = "done"
        self._watcher.progress(self._progress)
        return self._end()

    def _may_go_on(self, may_come: bool) -> bool:
        """Wait until the jobs are worth another list; return False if nothing more will come."""
        may_come = may_come and self._waits
        if (may_come or self._question) and self._waiting() and not self._pause():
            return not self._is_stopped()
        while not self._fetcher.wait(_STEP):
            self._tell(None)
        if self._is_stopped() or not self._waits or not self._waiting():
            return False
        # What was lost while it was fetched may be requested again.
        return may_come or self._fetcher.counts.expired != self._expired

    def _look(self) -> bool:
        """List the jobs, and request what may be; return whether something may come of that."""
        self._expired = self._fetcher.counts.expired
        with Spool() as spool:
            try:
                # What has been paid for expires, whatever the cache does.
                prepared = self._planner.prepare(spool, self._worklist.waiting, without_cache=True)
            except (TransientError, DeadlineError, CatalogError) as error:
                self._watcher.warn(f"the jobs could not be listed; trying again: {error}")
                return True
            for request, reason in prepared.failed:
                self._worklist.note_lost(request.archive)
                self._watcher.warn(f"job {request.job} of archive {request.archive}: {reason}")
            self._fetcher.wake()
            if prepared.cache_error is not None:
                self._watcher.warn(f"what has no job is not requested yet: {prepared.cache_error}")
            may_come = self._request(prepared, spool, self._decide(prepared))
            return may_come or prepared.cache_error is not None

    def _decide(self, prepared: Prepared) -> bool:
        """Decide what becomes of what is lost, or ask; return whether it is requested again now."""
        options, lost = self._restore.options, self._planner.seen.again
        tier = options.tier.value
        if not lost or self._question is not None:
            return False
        if options.rerequest == "ask":
            self._worklist.note_asked()
            self._question = self._watcher.ask_again(prepared, tier)
            # The answer may be there already, and nothing else would look for it.
            return bool(self._take_answer())
        if self._rerequests is None:
            self._worklist.decide(Again.LOST, _LOST)
            return False
        if not self._rerequests.take(prepared.plan.load_again(tier)):
            self._worklist.decide(Again.LOST, EXHAUSTED, Stage.LEFT)
            self._fetcher.counts.left.append(EXHAUSTED)
            return False
        self._watcher.requests_again(prepared, tier)
        self._worklist.decide(Again.LOST, None)
        return True

    def _take_answer(self) -> bool | None:
        """Do as the answer to an open question says, and return it; None if there is none yet."""
        agreed = None if self._question is None else self._question.answer()
        if agreed is not None:
            self._question = None
            self._worklist.decide(Again.ASKED, None if agreed else _LOST)
        return agreed

    def _request(self, prepared: Prepared, spool: Spool, again: bool) -> bool:
        """Request what a plan contains; return whether something may come of jobs."""
        seen = self._planner.seen
        self._progress.running, self._progress.ready = seen.running, prepared.plan.ready
        left = 0
        restore = self._restore
        if prepared.plan.load(restore.options.tier.value, again).jobs:
            self._progress.phase = "requesting"
            arguments = (restore.client, restore.options, restore.ledger, spool, prepared)
            outcome = Run(*arguments, self._sent).run(again)
            left = outcome.left
            if not outcome.counts.failed:
                self._verdict = outcome.verdict
        self._record_decided()
        return bool(self._progress.running or left)

    def _sent(self, sent: Sent) -> None:
        if sent.state == "refused":
            self._worklist.fail(sent.item.archive, sent.reason or "the service refuses it")
        else:
            self._progress.running += 1
            self._worklist.note_requested(sent.item.archive, datetime.now(UTC))
        self._watcher.sent(sent)

    def _record_decided(self) -> None:
        """Record what was decided without fetching it: skipped, or failed."""
        for stage, state in _DECIDED.items():
            for item in self._worklist.untold(stage):
                self._worklist.note_told(item.number)
                known = self._manifest.get(item.path) if self._manifest else None
                same = known is not None and known.archive == item.archive
                if state == SKIPPED and same and known is not None and known.state != FAILED:
                    self._restorer.tell(item, state, item.reason)
                else:
                    self._restorer.record(item, state, item.reason, stage)

    def _pause(self) -> bool:
        """Wait until another list is worth it; return whether the lanes have stopped."""
        interval = _INTERVAL * (1 + random.uniform(0, _JITTER))  # noqa: S311 - nothing secret
        if is_this_machine(self._restore.client.config.endpoint):
            interval = _EMULATOR_INTERVAL
        end = now().uptime + interval
        while (left := end - now().uptime) > 0:
            self._tell(left)
            self._fetcher.sleep(min(left, _STEP))
            if self._is_stopped():
                return True
            if self._take_answer() is not None:
                break
            lost = self._fetcher.counts.expired != self._expired
            if lost and interval - left >= min(_AFTER_LOSS, interval) - _STEP:
                break
        return False

    def _tell(self, next_list: float | None) -> None:
        totals = self._worklist.totals()
        busy = totals[Stage.READABLE].archives + totals[Stage.FETCHING].archives
        self._progress.phase = "restoring" if busy else "waiting"
        self._progress.next_list = next_list
        self._watcher.progress(self._progress)

    def _waiting(self) -> bool:
        return self._worklist.totals()[Stage.WAITING].archives > 0

    def _is_stopped(self) -> bool:
        return self._fetcher.stopped is not None

    def _end(self) -> Verdict:
        """Return how the restore ends, once nothing more comes."""
        counts, totals = self._fetcher.counts, self._worklist.totals()
        unfinished = (Stage.WAITING, Stage.READABLE, Stage.FETCHING, Stage.LEFT)
        left = sum(totals[stage].archives for stage in unfinished)
        failed, kept = totals[Stage.FAILED].archives, totals[Stage.KEPT].archives
        if counts.mismatches:
            text = f"{counts.mismatches:,} do not match their tree hash; see above"
            return Verdict(Status.MISMATCH, text)
        if self._fetcher.stopped is not None:
            return stopped_by(self._fetcher.stopped)
        if left and self._verdict.status is not Status.DONE:
            return self._verdict
        if left:
            why = f" ({counts.left[0]})" if counts.left else ""
            text = f"{left:,} are not restored yet{why}; run the same command again"
            return Verdict(Status.UNFINISHED, text)
        if failed or kept:
            text = f"{failed + kept:,} were not restored"
            if kept:
                text += f", {kept:,} of them because newer files that differ are there"
            return Verdict(Status.FAILED, f"{text}; see above")
        return DONE
