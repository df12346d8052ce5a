"""Asks for outputs, and finds out what a refusal of one means."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

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
from casfs.model import Job, JobState, Output
from casfs.ranges import BLOCK_SIZE
from casfs.reasons import reason
from casfs.service.archive_descriptions import ReceivedDescriptions
from casfs.service.dialect import escape
from casfs.service.measuring import Measuring, OutputRequest
from casfs.service.output_body import Body
from casfs.service.refused_ranges import RangeInside
from casfs.service.service_tuning import TUNING
from casfs.service.transport import Transport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobsPaths:
    """The paths of the jobs of vaults.

    Attributes:
        known: by vault, as far as they are known.
        find: asks the service for one that is not; raises NotFoundError if there is no such vault.
    """

    known: Mapping[str, str]
    find: Callable[[str, Deadline], str]


class Receive(Protocol):
    """Makes the body of an answer, as `body_of` does."""

    def __call__(self, answer: requests.Response, asked: tuple[int, int], size: int) -> Body:
        """Return the body, unread."""


class _Judge:
    """Finds out from the attempts of one request whether another may bring what was asked for.

    Args:
        request: what is asked for.
        attempts: how often at most, None if only the deadline ends it.
        missing: asks the job why its output may have been refused.
    """

    def __init__(
        self,
        request: OutputRequest,
        attempts: int | None,
        missing: Callable[[CasfsError], CasfsError | None],
    ) -> None:
        self._request = request
        self._inside = _range_inside(attempts) if request.inside else None
        self._missing = missing
        self._asked = False

    def note(self, error: TransientError) -> None:
        """Note what an attempt met.

        Raises:
            RequestError: there is no such range.
            CasfsError: the output is not there.
        """
        if self._inside is not None:
            self._inside.note(error)
        if not isinstance(error, ForeignAnswerError):
            return
        refused = error.status == requests.codes.requested_range_not_satisfiable
        if refused and self._request.doubtful:
            raise RequestError(str(error)) from error
        if self._asked:
            return
        self._asked = True
        # A stand-in may be right without a code: its word on the job itself decides.
        with contextlib.suppress(TransientError, DeadlineError):
            if missing := self._missing(error):
                raise missing from error


def _range_inside(attempts: int | None) -> RangeInside:
    if attempts is not None and attempts <= TUNING.attempts_inside:
        return RangeInside(attempts, 0.0)
    return RangeInside(TUNING.attempts_inside, TUNING.inside_seconds)


class OutputCalls:
    """Asks for the outputs of one account's jobs.

    Args:
        transport: asks the service.
        paths: where jobs are.
        describe_job: asks for a job, and raises NotFoundError if there is none.
        receive: makes the bodies of answers.
        descriptions: keeps what answers say of archives.

    Attributes:
        measuring: measures outputs, and reads those whose size was measured.
    """

    def __init__(
        self,
        transport: Transport,
        paths: JobsPaths,
        describe_job: Callable[[str, str, Deadline], Job],
        receive: Receive,
        descriptions: ReceivedDescriptions,
    ) -> None:
        self._transport = transport
        self._paths = paths
        self._describe_job = describe_job
        self._receive = receive
        self._note_description = descriptions.note if descriptions.are_sent else None
        self.measuring = Measuring(self.get)

    def read(
        self,
        output: Output,
        span: tuple[int, int],
        consume: Callable[[Body], T],
        deadline: Deadline,
    ) -> T:
        """Ask for the bytes `span[0]` to `span[1] - 1` of an output, all from one source.

        Returns what `consume` makes of the body. A transient error that it raises (a tree hash
        that does not match) has the bytes asked for again, on a new connection.

        Raises:
            ExpiredError: the service no longer has the output.
            NotReadyError: the job is still running.
            WrongAnswerError: the answer is not the range that was asked for.
            RequestError: ranges that begin inside a block, as this one does, are not given.
            ShortRangeError: of several blocks, fewer bytes are given than were asked for.
            SizeError: the output has another size than was measured.
            CasfsError: this machine failed, in `consume`.
        """
        source = output.sources[output.source_number(span[0] // BLOCK_SIZE)]
        if not source.job_id:
            raise ExpiredError(
                f"block {span[0] // BLOCK_SIZE} of the {output} is no longer in the cache, and no "
                "job has it; request the archive again"
            )
        # The job counts from where its own output begins.
        begin = source.begin * BLOCK_SIZE
        asked = (span[0] - begin, span[1] - begin)

        def take(answer: requests.Response) -> T:
            body = self._receive(answer, asked, source.layout.size)
            if begin:
                body = replace(body, first=body.first + begin, stop=body.stop + begin)
            try:
                result = consume(body)
            except CasfsError:
                raise
            except OSError as error:
                raise CasfsError(
                    f"the {output} was received, but this machine could not store it "
                    f"({reason(error)}); make room in memory and in the cache directory"
                ) from error
            body.finish()
            return result

        headers = {"Range": f"bytes={asked[0]}-{asked[1] - 1}"}
        request = OutputRequest(
            output.vault, source.job_id, headers, inside=asked[0] % BLOCK_SIZE != 0
        )
        if output.measured:
            return self.measuring.read(output, request, take, deadline)
        return self.get(request, take, deadline)

    def get(
        self,
        request: OutputRequest,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
    ) -> T:
        """Return what `consume` makes of the answer; the deadline ends all attempts together.

        Raises:
            RequestError: there is no such range.
            CasfsError: as `read`.
        """
        vault, job_id = request.vault, request.job_id
        jobs = self._paths.known.get(vault) or self._paths.find(vault, deadline)
        path = f"{jobs}/{escape(job_id)}/output"
        note = self._note_description

        def noted(answer: requests.Response) -> T:
            result = consume(answer)
            # What an answer tells counts once its bytes turned out to be those of the output.
            if note is not None:
                note(vault, job_id, answer)
            return result

        missing = partial(self._missing, vault, job_id, deadline=deadline)
        judge = _Judge(request, self._transport.attempts, missing)
        try:
            return self._transport.get(
                "Get Job Output",
                path,
                noted,
                deadline,
                headers=request.headers,
                on_failure=judge.note,
            )
        except (NotFoundError, RequestError) as error:
            if request.inside and isinstance(error, RequestError):
                # It is the range that is refused; another request shows whether the output is gone.
                raise
            if why := missing(error):
                raise why from error
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
            expired = ExpiredError(
                f"the output of job {job_id} in vault {vault} is gone; "
                f"a new job for the same archive brings it back ({error})"
            )
            expired.job = job_id
            return expired
        return None

    def _state(self, vault: str, job_id: str, deadline: Deadline) -> JobState | None:
        try:
            return self._describe_job(vault, job_id, deadline).state
        except NotFoundError:
            return None
