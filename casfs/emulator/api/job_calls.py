"""The calls on jobs, which all services have.

Sources: as in `vault_calls`.
"""

import json
from functools import partial

from casfs.emulator.api import request_fields as ask
from casfs.emulator.api.answers import Answers
from casfs.emulator.api.dialect import Answer, Call, ReadBody, Reply, SendOutput
from casfs.emulator.api.wire import Table, Wire
from casfs.emulator.engine.errors import MalformedBodyError
from casfs.emulator.engine.jobs import Jobs
from casfs.emulator.engine.records import Vault
from casfs.emulator.engine.selection import Selection

JOBS = "*/jobs"
"""The path at which jobs are started, as `request_fields.routed` returns it."""

OUTPUT = "*/jobs/*/output"
"""The path of an output, as `request_fields.routed` returns it."""

_CONTENT_TYPES = {
    "archive": "application/octet-stream",
    "JSON": "application/json",
    "CSV": "text/csv",
}


class JobCalls:
    """Calls on jobs.

    Args:
        wire: the specifics of the service.
        answers: builds answers.
        jobs: the engine.
        content_range: the form of Content-Range.
    """

    def __init__(self, wire: Wire, answers: Answers, jobs: Jobs, content_range: str) -> None:
        self._content_range = content_range
        self._wire = wire
        self._form = wire.form
        self._answers = answers
        self._jobs = jobs
        self.table: Table = {
            JOBS: {"POST": self._initiate_job, "GET": self._list_jobs},
            "*/jobs/*": {"GET": self._describe_job},
            OUTPUT: {"GET": self._output},
        }

    def output_head(self, selection: Selection) -> Reply:
        """Return the status and headers of an output (Get Job Output)."""
        headers = {"Content-Type": _CONTENT_TYPES[selection.kind]}
        if selection.is_part:
            headers["Content-Range"] = selection.content_range(self._content_range)
        if selection.tree_hash is not None:
            headers |= self._answers.hashes(tree=selection.tree_hash)
        headers |= self._wire.output_headers(selection)
        return Reply(206 if selection.is_part else 200, headers)

    def notifications(self, since: float, until: float) -> tuple[list[tuple[str, bytes]], float]:
        """Return the URLs of jobs that completed in between, each with its job as Describe Job.

        CAS documentation, Set Vault Notifications: what is sent equals an answer to Describe Job.
        """
        found = self._jobs.to_notify(since, until)
        calls = [
            (view.job.callback, self._wire.layout(self._form.job(view)))
            for view in found
            if view.job.callback
        ]
        return calls, until

    def _initiate_job(self, _: Call, vault: Vault) -> Answer:
        return ReadBody(self._answers.finishing(partial(self._start_job, vault)))

    def _start_job(self, vault: Vault, body: bytes) -> Reply:
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise MalformedBodyError("The body is not a JSON object")
        wanted, byte_range = self._wire.wanted_job(fields)
        job = self._jobs.start(vault.name, wanted.kind, wanted, byte_range)
        headers = {
            "Location": self._answers.location(vault.address, "jobs", job.id),
            self._answers.name("job-id"): job.id,
            **self._wire.job_headers(job),
        }
        return Reply(202, headers)

    def _list_jobs(self, call: Call, vault: Vault) -> Answer:
        marker, limit = ask.page(call, self._wire.page_limits.jobs)
        ask.check_marker(marker, self._wire, partial(self._jobs.view, vault.name))
        wanted = self._wanted(call)
        if wanted is None:
            return self._answers.page("JobList", [], None)
        found, following = self._jobs.page(vault.name, marker, limit, *wanted)
        jobs = [self._form.job(view) for view in found]
        return self._answers.page("JobList", jobs, following)

    def _wanted(self, call: Call) -> tuple[bool | None, bool | None] | None:
        """Return the filters on complete and failed jobs; None = they exclude each other."""
        if not self._wire.words.filters_jobs:
            return None, None
        done = ask.choice(call, "completed", {"true": True, "false": False})
        choices = {"inprogress": (False, None), "succeeded": (True, False), "failed": (True, True)}
        status_done, failed = ask.choice(call, "statuscode", choices) or (None, None)
        if done is not None and status_done is not None and done != status_done:
            return None
        return (done if status_done is None else status_done), failed

    def _describe_job(self, _: Call, vault: Vault, job: str) -> Answer:
        return self._answers.ok(self._form.job(self._jobs.view(vault.name, job)))

    def _output(self, call: Call, vault: Vault, job: str) -> Answer:
        return SendOutput(self._jobs.select(vault.name, job, call.headers.get("range")))
