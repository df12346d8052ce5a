"""HTTP by way of requests: sign, send, bound in time, turn answers into errors, and ask again.

A session of requests is not promised to be safe for several threads, so each request borrows one
and gives it back; one that failed is closed instead, so that asking again uses a new connection.
"""

import collections
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import TypeVar
from urllib.parse import quote, urlencode

import requests
import tenacity
import urllib3
from tenacity.stop import stop_base

from casfs.deadline import Deadline
from casfs.errors import (
    CasfsError,
    DeadlineError,
    TransientError,
    UnreachableError,
)
from casfs.metrics import Metrics
from casfs.service.dialect import Authorization
from casfs.service.failures import answer_error, connection_error
from casfs.service.watchdog import Watchdog, WatchedAdapter

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How long and how often the transport tries; times in seconds."""

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    attempts: int = 10
    longest_pause: float = 5.0


class Transport:
    """Sends the requests of one account to one endpoint.

    Args:
        endpoint: URL of scheme, host and port.
        authorization: signs a request whose URL and headers are final.
        meaning: status and code of an error answer -> error, or None.
        request_id_header: name of the header that identifies an answer to the service's support.
        limits: how long and how often to try.
        metrics: counts what is sent.
    """

    def __init__(
        self,
        endpoint: str,
        authorization: Authorization,
        meaning: Callable[[int, str], type[CasfsError] | None],
        request_id_header: str,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._endpoint = endpoint
        self._host = endpoint.partition("://")[2]
        self._authorization = authorization
        self._meaning = meaning
        self._request_id_header = request_id_header
        self._limits = limits
        self._metrics = metrics
        self._watchdog = Watchdog()
        self._closed = threading.Event()
        # Appending to and popping from a deque needs no lock.
        self._sessions: collections.deque[requests.Session] = collections.deque()
        # Proxies and certificates of the environment, which takes as long to look through as all
        # the rest of a request; one endpoint has the same ones each time.
        with requests.Session() as session:
            self._environment = session.merge_environment_settings(endpoint, {}, True, None, None)

    def close(self) -> None:
        """End every request under way; the threads that wait for one get an error."""
        self._closed.set()
        self._watchdog.close()
        while self._sessions:
            self._sessions.pop().close()

    def get(
        self,
        call: str,
        path: str,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """GET a path and return what `consume` makes of the answer.

        The answer's body is not read yet when `consume` gets it. A `TransientError`, of the
        connection, of the service or raised by `consume`, is a reason to ask again, on a new
        connection, after a pause that grows and is random (so that many clients do not return
        at once), as often as the limits allow.

        Args:
            call: name of the call, for messages and counters.
            path: path below the endpoint, escaped.
            consume: makes the result of a 2xx answer.
            deadline: ends all attempts together.
            parameters: query, not escaped.
            headers: added to the request.

        Raises:
            DeadlineError: no success before the deadline.
            CasfsError: whatever the last attempt met.
        """
        query = urlencode(parameters or {}, quote_via=quote, safe="")
        url = f"{self._endpoint}{path}{'?' if query else ''}{query}"

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(self._limits.attempts)
            | _StopInTime(deadline)
            | tenacity.stop_when_event_set(self._closed),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=self._limits.longest_pause),
            sleep=tenacity.sleep_using_event(self._closed),
            after=self._note_failure,
            reraise=True,
        )
        tries = 0

        def attempt() -> T:
            nonlocal tries
            tries += 1
            return self._attempt(call, url, consume, headers or {}, deadline)

        deadline.check(f"{call} {path}")
        try:
            return retrying(attempt)
        except TransientError as error:
            if self._closed.is_set() or tries >= self._limits.attempts:
                raise
            raise DeadlineError(
                f"{error}; gave up after {tries} attempts in {deadline.seconds:g} s"
            ) from error

    def _note_failure(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._metrics.failures.labels(type(error).__name__.removesuffix("Error")).inc()
        log.info("attempt %d failed: %s", state.attempt_number, error)

    def _attempt(
        self,
        call: str,
        url: str,
        consume: Callable[[requests.Response], T],
        headers: Mapping[str, str],
        deadline: Deadline,
    ) -> T:
        session = self._borrow_session()
        try:
            with self._watchdog.limit(deadline):
                answer = self._send(session, url, headers, deadline)
                with answer:
                    self._metrics.requests.labels(call).inc()
                    if answer.status_code // 100 != 2:
                        raise answer_error(call, answer, self._meaning, self._request_id_header)
                    result = consume(answer)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            HTTPException,
            OSError,
        ) as error:
            session.close()
            if isinstance(error, CasfsError):
                raise
            raise connection_error(call, url, error) from error
        except BaseException:
            session.close()
            raise
        if self._closed.is_set():
            session.close()
        else:
            self._sessions.append(session)
        return result

    def _borrow_session(self) -> requests.Session:
        try:
            return self._sessions.pop()
        except IndexError:
            session = requests.Session()
            for scheme in ("https://", "http://"):
                session.mount(scheme, WatchedAdapter(self._watchdog))
            return session

    def _send(
        self,
        session: requests.Session,
        url: str,
        headers: Mapping[str, str],
        deadline: Deadline,
    ) -> requests.Response:
        if self._closed.is_set():
            raise UnreachableError("the client is closed")
        request = requests.Request(
            "GET",
            url,
            headers={"Host": self._host, "Accept-Encoding": "identity"} | dict(headers),
        ).prepare()
        # Preparing resolves "." and ".." in the path, which are legal names of vaults.
        request.url = url
        left = deadline.remaining()
        return session.send(
            self._authorization(request),
            timeout=(
                max(0.001, min(self._limits.connect_timeout, left)),
                max(0.001, min(self._limits.read_timeout, left)),
            ),
            allow_redirects=False,
            **self._environment,
        )


class _StopInTime(stop_base):
    """Ends asking again when the next attempt would begin behind the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return retry_state.upcoming_sleep >= self._deadline.remaining()
