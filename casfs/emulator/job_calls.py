"""The calls on jobs that CAS and Glacier have.

Sources: as in `vault_calls`.
"""

import json
from functools import partial

from casfs.emulator import vault_requests as ask
from casfs.emulator.answers import Answers
from casfs.emulator.dialect import Answer, Call, ReadBody, Reply, SendOutput
from casfs.emulator.errors import MalformedBodyError
from casfs.emulator.jobs import Jobs
from casfs.emulator.selection import Selection
from casfs.emulator.wire import Table, Wire
from casfs.treehash import to_text

OUTPUT = "*/jobs/*/output"
"""The path of an output, as `vault_requests.routed` sees it."""

_CONTENT_TYPES = {
    "archive": "application/octet-stream",
    "JSON": "application/json",
    "CSV": "text/csv",
}


class JobCalls:
    """Calls on jobs.

    Args:
        wire: what is the service's own.
        answers: makes answers.
        jobs: the engine.
    """

    def __init__(self, wire: Wire, answers: Answers, jobs: Jobs) -> None:
        self._wire = wire
        self._form = wire.form
        self._answers = answers
        self._jobs = jobs
        self.table: Table = {
            "*/jobs": {"POST": self._initiate_job, "GET": self._list_jobs},
            "*/jobs/*": {"GET": self._describe_job},
            OUTPUT: {"GET": self._output},
        }

    def output_head(self, selection: Selection) -> Reply:
        """Return status and headers of an output (Get Job Output)."""
        headers = {"Content-Type": _CONTENT_TYPES[selection.kind]}
        if selection.is_part:
            first, last = selection.first + selection.shift, selection.last + selection.shift
            headers["Content-Range"] = f"bytes {first}-{last}/{selection.total}"
        if selection.tree_hash is not None:
            headers[self._answers.name("sha256-tree-hash")] = to_text(selection.tree_hash)
        headers |= self._wire.output_headers(selection)
        return Reply(206 if selection.is_part else 200, headers)

    def _initiate_job(self, _: Call, vault: str) -> Answer:
        return ReadBody(self._answers.finishing(partial(self._start_job, vault)))

    def _start_job(self, vault: str, body: bytes) -> Reply:
        try:
            fields = json.loads(body)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise MalformedBodyError("The body is not a JSON object")
        wanted, byte_range = self._wire.wanted_job(fields)
        job = self._jobs.start(vault, wanted.kind, wanted, byte_range)
        headers = {
            "Location": self._answers.location(vault, "jobs", job.id),
            self._answers.name("job-id"): job.id,
            **self._wire.job_headers(job),
        }
        return Reply(202, headers)

    def _list_jobs(self, call: Call, vault: str) -> Answer:
        marker, limit = ask.page(call, self._wire.page_limits.jobs)
        done = ask.choice(call, "completed", {"true": True, "false": False})
        choices = {"inprogress": (False, None), "succeeded": (True, False), "failed": (True, True)}
        status_done, failed = ask.choice(call, "statuscode", choices) or (None, None)
        if done is not None and status_done is not None and done != status_done:
            return self._answers.ok({"JobList": [], "Marker": None})
        wanted = done if status_done is None else status_done
        found, following = self._jobs.page(vault, marker, limit, wanted, failed)
        jobs = [self._form.job(view) for view in found]
        return self._answers.ok({"JobList": jobs, "Marker": following}, len(jobs))

    def _describe_job(self, _: Call, vault: str, job: str) -> Answer:
        return self._answers.ok(self._form.job(self._jobs.view(vault, job)))

    def _output(self, call: Call, vault: str, job: str) -> Answer:
        return SendOutput(self._jobs.select(vault, job, call.headers.get("range")))
