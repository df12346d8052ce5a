"""A restore from the command line: plan, question, and what came of it."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from casfs.cli.archive_request import open_ledger
from casfs.cli.event_command import BackgroundEvents
from casfs.cli.messages import Messages
from casfs.cli.plan_text import plan_facts, plan_lines
from casfs.cli.progress import open_progress
from casfs.cli.restore_consent import includes_again, refusal, require_archives, unmet_text
from casfs.cli.restore_plan import again_line, everything, restore_facts, restore_lines
from casfs.cli.restore_record import RestoreRecord
from casfs.cli.restore_report import RestoreReport
from casfs.cli.restore_wish import RestoreWish
from casfs.client import Client
from casfs.errors import CasfsError
from casfs.ledger.measured_rate import record_rate
from casfs.ledger.request import RequestState
from casfs.model import Vault
from casfs.restore.archive_restorer import ArchiveRestorer
from casfs.restore.destination import placing
from casfs.restore.destination.manifest import ALGORITHMS, now_text
from casfs.restore.destination.name_rules import NameRules, TakenNames
from casfs.restore.destination.opened_tree import OpenedTree
from casfs.restore.destination.own_directory import (
    open_destination,
)
from casfs.restore.destination.recorder import Recorder
from casfs.restore.fetch_lanes import Fetcher
from casfs.restore.fetch_order import Lanes
from casfs.restore.ledger import Ledger
from casfs.restore.marked_directories import MarkedDirectories
from casfs.restore.preparing import Prepared
from casfs.restore.progress_file import ProgressFile
from casfs.restore.request_options import Options
from casfs.restore.restore_planner import Restore, RestorePlanner
from casfs.restore.restore_run import RestoreRun
from casfs.restore.spool import Spool
from casfs.restore.survey import Survey
from casfs.restore.verdict import Status, Verdict
from casfs.restore.worklist import Worklist

if TYPE_CHECKING:
    from casfs.blocks.output_files import OutputFiles

_ENDING = 10.0
"""Seconds for which what is being written when a restore is interrupted may take to end."""
_JOBS = 256
"""Jobs whose outputs are restored that are recorded at a time."""
_NO_TIMES = (
    "the file system of the directory does not store the times of files: they will not have those "
    "of their archives"
)


class RestoreSession:
    """A restore, from its plan to its end.

    Args:
        client: the account.
        wish: what is wanted.
        options: how archives are requested.
        messages: gets plan, progress and result.
        events: get a warning when archives turn out to be at risk.
    """

    def __init__(
        self,
        client: Client,
        wish: RestoreWish,
        options: Options,
        messages: Messages,
        events: BackgroundEvents,
    ) -> None:
        self._client = client
        self._wish = wish
        self._options = options
        self._messages = messages
        self._events = events
        self._fetcher: Fetcher | None = None
        self._delivered: list[str] = []
        service_hash = client.service.tree_hash
        self._algorithm = next(name for name, one in ALGORITHMS.items() if one is service_hash)

    def run(self) -> int:
        """Restore; return the exit status.

        Raises:
            ConfigError: something about the command cannot be done.
            LedgerError: the record of requests cannot be used; nothing is sent.
            CasfsError: it cannot go on.
        """
        wish, client = self._wish, self._client
        self._options.check(client.retrievals.features)
        vault = client.retrievals.vault(self._options.vault)
        with ExitStack() as stack:
            ledger = stack.enter_context(open_ledger(client, vault, dry_run=wish.dry_run))
            spool = stack.enter_context(Spool())
            worklist = stack.enter_context(Worklist())
            files = stack.enter_context(client.restorable.output_files(wish.keep_in_cache))
            tree, own = open_destination(wish.destination, writes=not wish.dry_run)
            if own is not None:
                stack.enter_context(own)
                own.require_sync()
            record = RestoreRecord(client.config, wish, self._options, self._messages)
            manifest = record.earlier(stack)
            report = RestoreReport(
                self._messages, self._events, worklist, client.metrics, client.retrievals.now
            )
            report.verbose = wish.verbose
            goal = Restore(
                client=client,
                vault=vault,
                options=self._options,
                ledger=ledger,
                worklist=worklist,
                watcher=report,
            )
            planner = RestorePlanner(goal)
            survey = Survey(
                client=client,
                vault=vault.name,
                path=wish.path,
                wanted=wish.wanted,
                elsewhere=wish.elsewhere,
                overwrite=wish.overwrite,
                checksum=wish.checksum,
                algorithm=self._algorithm,
                tree=tree,
                files=files,
                manifest=manifest,
                worklist=worklist,
                rules=own.name_rules() if own is not None else NameRules(),
                stores_times=own is None or own.stores_times(),
                taken=self._taken(stack, tree),
            )
            prepared = planner.prepare(spool, survey.run)
            self._messages.lines.run = prepared.run
            require_archives(prepared, worklist)
            again = includes_again(self._options, wish)
            directories = MarkedDirectories(client, vault.name, wish.path, wish.wanted)
            self._show_plan(prepared, worklist, directories.count(), again)
            if not survey.stores_times:
                self._messages.warn(_NO_TIMES)
            wrong = unmet_text(wish.wanted.unmet())
            if wrong:
                self._messages.warn(wrong)
            if wish.dry_run or tree is None or own is None:
                return Status.DONE
            refused = refusal(prepared, worklist, self._options, wish, again)
            if refused is not None:
                report.end(refused)
                return refused.status
            with record.recording(prepared.run, tree, own, self._stop) as (writer, recorder):
                restorer = self._restorer(goal, files, tree, recorder, report)
                self._fetcher = Fetcher(worklist, restorer, Lanes.of(client.config.connections))
                report.in_flight = self._fetcher.in_flight
                report.file = self._progress_file(prepared, tree)
                for error in directories.make(tree):
                    wrong = wrong or str(error)
                    self._messages.warn(str(error))
                run = RestoreRun(goal, planner, self._fetcher, restorer, manifest, wish.waits)
                try:
                    with open_progress(self._messages.lines, wish.stats) as report.view:
                        verdict = run.run(prepared, spool, again)
                finally:
                    self._close(ledger, files, recorder)
                    self._record_rate(vault, report)
                if wrong and verdict.status is Status.DONE:
                    verdict = Verdict(Status.FAILED, wrong)
                report.file.end(int(verdict.status))
                counts = report.finish(verdict, str(wish.manifest or own.manifest))
                end = {"status": int(verdict.status), "reason": verdict.reason, **counts}
                writer.append([{"type": "end", "run": prepared.run, "time": now_text(), **end}])
            return record.write_sums(own, verdict)

    def _taken(self, stack: ExitStack, tree: OpenedTree | None) -> TakenNames | None:
        """Return what notes the paths of archives, until the stack ends, where case is ignored."""
        if tree is None or not tree.ignores_case:
            return None
        taken = TakenNames()
        stack.callback(taken.close)
        return taken

    def _restorer(
        self,
        goal: Restore,
        files: "OutputFiles",
        tree: OpenedTree,
        recorder: Recorder,
        report: RestoreReport,
    ) -> ArchiveRestorer:
        ledger = goal.ledger

        def delivered(jobs: tuple[str, ...]) -> None:
            self._delivered.extend(jobs)
            if len(self._delivered) >= _JOBS:
                self._note_delivered(ledger)

        def gone(job: str) -> None:
            ledger.note_outputs([job], RequestState.EXPIRED, "it expired before it was fetched")

        return ArchiveRestorer(
            client=self._client,
            vault=goal.vault.name,
            files=files,
            tree=tree,
            worklist=goal.worklist,
            recorder=recorder,
            algorithm=self._algorithm,
            mode=0o666 & ~placing.umask(),
            overwrite=self._wish.overwrite,
            told=report.told,
            delivered=delivered,
            gone=gone,
        )

    def _progress_file(self, prepared: Prepared, tree: OpenedTree) -> ProgressFile:
        config, cost = self._client.config, prepared.total()
        file = ProgressFile(config.state_dir, prepared.run, self._options.vault, tree.path)
        total = None if cost.total is None else f"{cost.total:f}"
        file.write({}, cost=total, currency=cost.currency)
        return file

    def _close(self, ledger: Ledger, files: "OutputFiles", recorder: Recorder) -> None:
        """End the lanes, and record what they have finished."""
        fetcher = self._fetcher
        if fetcher is not None:
            fetcher.close(0)
            files.close()
            fetcher.close(_ENDING)
        recorder.close()
        self._note_delivered(ledger)

    def _record_rate(self, vault: Vault, report: RestoreReport) -> None:
        account = self._client.retrievals.account_key(vault)
        received = self._client.metrics.received()
        record_rate(self._client.config.state_dir, account, received, report.busy)

    def _note_delivered(self, ledger: Ledger) -> None:
        """Record the jobs whose outputs are restored: they may be requested again, for others."""
        ledger.note_outputs(self._delivered, RequestState.VERIFIED)
        self._delivered.clear()

    def _stop(self, error: CasfsError) -> None:
        """Begin nothing more, since what is restored cannot be recorded."""
        if self._fetcher is not None:
            self._fetcher.stop(error)

    def _show_plan(
        self, prepared: Prepared, worklist: Worklist, directories: int, again: bool
    ) -> None:
        messages, wish = self._messages, self._wish
        for request, reason in prepared.failed:
            messages.warn(f"job {request.job} for archive {request.archive} failed: {reason}")
        found = everything(prepared, worklist)
        for line in plan_lines(prepared, self._options, again, found):
            messages.text(line)
        for line in restore_lines(prepared, worklist, directories, wish.destination):
            messages.text(line)
        if agreed := again_line(prepared, self._options, again):
            messages.text(agreed)
        facts: dict[str, Any] = plan_facts(prepared, self._options, again)
        facts |= restore_facts(prepared, worklist, directories, wish.destination)
        messages.facts("plan", **facts)
