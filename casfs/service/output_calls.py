"""Asks for outputs, and finds out what a refusal of one means."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

import requests

from casfs.deadline import Deadline
from casfs.errors import (
    CasfsError,
    DeadlineError,
    ExpiredError,
    ForeignAnswerError,
    NotFoundError,
    NotReadyError,
    RequestError,
    TransientError,
)
from casfs.model import Job, JobState
from casfs.service.archive_descriptions import ReceivedDescriptions
from casfs.service.measuring import OutputRequest
from casfs.service.transport import Transport

T = TypeVar("T")


class OutputCalls:
    """Asks for the outputs of one account's jobs.

    Args:
        transport: asks the service.
        path: vault, job -> path of Get Job Output.
        describe_job: asks for a job, and raises NotFoundError if there is none.
        descriptions: keeps what answers say of archives.
    """

    def __init__(
        self,
        transport: Transport,
        path: Callable[[str, str, Deadline], str],
        describe_job: Callable[[str, str, Deadline], Job],
        descriptions: ReceivedDescriptions,
    ) -> None:
        self._transport = transport
        self._path = path
        self._describe_job = describe_job
        self._descriptions = descriptions

    def get(
        self,
        request: OutputRequest,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
    ) -> T:
        """Return what `consume` makes of the answer; the deadline ends all attempts together.

        Raises:
            RequestError: there is no such range.
            CasfsError: as `Service.read`.
        """
        vault, job_id = request.vault, request.job_id
        path = self._path(vault, job_id, deadline)

        def noted(answer: requests.Response) -> T:
            result = consume(answer)
            # What an answer tells counts once its bytes turned out to be those of the output.
            self._descriptions.note(vault, job_id, answer)
            return result

        def ask_job(error: ForeignAnswerError) -> None:
            if request.doubtful and error.status == requests.codes.requested_range_not_satisfiable:
                raise RequestError(str(error)) from error
            # A stand-in may be right without a code: its word on the job itself decides.
            with contextlib.suppress(TransientError, DeadlineError):
                if missing := self._missing(vault, job_id, error, deadline):
                    raise missing from error

        try:
            return self._transport.get(
                "Get Job Output", path, noted, deadline, headers=request.headers, on_foreign=ask_job
            )
        except (NotFoundError, RequestError) as error:
            if missing := self._missing(vault, job_id, error, deadline):
                raise missing from error
            raise

    def _missing(
        self, vault: str, job_id: str, error: CasfsError, deadline: Deadline
    ) -> CasfsError | None:
        """Return why an output was refused, if it is because it is not there yet, or no longer.

        How that is said is documented for no dialect beyond doubt: ask the job itself.
        """
        state = self._state(vault, job_id, deadline)
        if state is JobState.RUNNING:
            return NotReadyError(
                f"job {job_id} in vault {vault} is still running; wait until it succeeds"
            )
        if state is None or isinstance(error, NotFoundError):
            return ExpiredError(
                f"the output of job {job_id} in vault {vault} is gone; "
                f"a new job for the same archive brings it back ({error})"
            )
        return None

    def _state(self, vault: str, job_id: str, deadline: Deadline) -> JobState | None:
        try:
            return self._describe_job(vault, job_id, deadline).state
        except NotFoundError:
            return None
