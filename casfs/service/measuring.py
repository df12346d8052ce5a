"""How long an output is, where its job does not say, or may tell it wrongly: as answers say.

A size that was measured is no better than the answer that it came from, which may have been that
of a network in between. So it is measured again when a later answer contradicts it, and whoever
keeps sizes is notified of another one.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import requests

from casfs.deadline import Deadline
from casfs.errors import CasfsError, MismatchError, RequestError, SizeError, WrongAnswerError
from casfs.model import Job, Output
from casfs.service.output_size import total_size, whole_size
from casfs.treehash import LEAF_SIZE

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """A request for an output, or for a range of it.

    Attributes:
        vault: name of the vault.
        job_id: the job.
        headers: added to the request.
        doubtful: there may be no such range, so that whoever says so is believed.
        inside: it is a range that begins inside a block; see `RangeInside`.
    """

    vault: str
    job_id: str
    headers: Mapping[str, str]
    doubtful: bool = False
    inside: bool = False


class GetOutput(Protocol):
    """Asks for the output of a job, as `OutputCalls` does."""

    def __call__(
        self,
        request: OutputRequest,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
    ) -> T:
        """Return what `consume` makes of the answer; the deadline ends all attempts together.

        Raises:
            RequestError: there is no such range.
            CasfsError: as `OutputCalls.read`.
        """
        ...


class _DoubtError(CasfsError):
    """An answer that contradicts a measured size: asking again is no use before that is clear."""


class Measuring:
    """Measures outputs, and reads those whose size was measured.

    Args:
        get: asks for an output.

    Attributes:
        on_resized: is called with vault, job and bytes of an output that has another size than was
            measured before; may not raise.
    """

    def __init__(self, get: GetOutput) -> None:
        self._get = get
        self.on_resized: Callable[[str, str, int], None] = lambda *_: None

    def measure(self, job: Job, deadline: Deadline) -> int:
        """Return the bytes of an output; costs a GET, two where a range of it tells nothing.

        Raises:
            ExpiredError, NotReadyError, WrongAnswerError: see `OutputCalls.read`.
        """
        return self._measure(job.vault, job.id, job.size, deadline)

    def read(
        self,
        output: Output,
        request: OutputRequest,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
    ) -> T:
        """Ask for bytes of an output of which an answer may show that it has another size.

        Raises:
            SizeError: it has.
            CasfsError: as `OutputCalls.read`.
        """

        def doubting(answer: requests.Response) -> T:
            try:
                return consume(answer)
            except (MismatchError, WrongAnswerError) as error:
                raise _DoubtError(str(error)) from error

        try:
            return self._get(replace(request, doubtful=True), doubting, deadline)
        except (_DoubtError, RequestError) as error:
            if request.inside and isinstance(error, RequestError):
                # That tells nothing of its size.
                raise
            log.info("measuring the size of the %s again: %s", output, error)
            size = self._measure(request.vault, request.job_id, output.layout.size, deadline)
            if size != output.layout.size:
                self.on_resized(request.vault, request.job_id, size)
                raise SizeError(
                    f"the {output} has {size} bytes, not the {output.layout.size} that its job "
                    "states or that were measured before; open it again"
                ) from error
            if isinstance(error, RequestError):
                raise
        # The size is right, so that answer was wrong, and another may be better.
        return self._get(request, consume, deadline)

    def _measure(self, vault: str, job_id: str, known: int | None, deadline: Deadline) -> int:
        size = None
        try:
            first = {"Range": f"bytes=0-{LEAF_SIZE - 1}"}
            asked = OutputRequest(vault, job_id, first, doubtful=True)
            size = self._get(asked, total_size, deadline)
        except RequestError as error:
            # Of an output of no bytes there is no such range.
            log.info("requesting the whole output of job %s of vault %s: %s", job_id, vault, error)
        # An empty answer may come from anywhere, so that it takes two to be believed.
        whole = OutputRequest(vault, job_id, {})
        return size or self._get(whole, lambda answer: whole_size(answer, known), deadline)
