"""HTTP by way of requests: sign, send, bound in time, turn answers into errors, and ask again."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlencode

import requests

from casfs.deadline import Deadline
from casfs.errors import (
    CasfsError,
    DeadlineError,
    DeniedError,
    ForeignAnswerError,
    MismatchError,
    TransientError,
    UnreachableError,
)
from casfs.metrics import Metrics
from casfs.service.dialect import Dialect
from casfs.service.error_mapping import answer_error, causes, connection_error
from casfs.service.idle_connections import CONNECTION_ERRORS, Sessions
from casfs.service.malformed_headers import log_malformed_headers_once
from casfs.service.retries import Failure, Limits, Persistence
from casfs.service.route import Route
from casfs.service.sending import Message, Sender, UnsentError
from casfs.service.service_clock import ServiceClock
from casfs.service.service_tuning import TUNING
from casfs.service.watchdog import Watchdog

log = logging.getLogger(__name__)
T = TypeVar("T")


class Transport:
    """Sends the requests of one account to one endpoint.

    Args:
        endpoint: URL of scheme, host and port.
        dialect: signs requests, knows the codes of errors, and names headers.
        limits: how long and how often to try.
        metrics: counts what is sent.

    Attributes:
        clock: the service's, as answers with lists tell it.
        received: returns the bytes that a thread's connection received; see `Watchdog.received`.
        cut: ends a thread's connection; see `Watchdog.cut`.
    """

    def __init__(self, endpoint: str, dialect: Dialect, limits: Limits, metrics: Metrics) -> None:
        self._endpoint = endpoint
        self._dialect = dialect
        self._limits = limits
        self._metrics = metrics
        self._closed = threading.Event()
        log_malformed_headers_once()
        self._watchdog = Watchdog(lambda: self._sessions.drop_aged())
        self.received = self._watchdog.received
        self.cut = self._watchdog.cut
        self._route = Route(endpoint, dialect.ca_variables, dialect.ca_file)
        self._sender = Sender(endpoint, dialect.authorization, limits, self._watchdog, self._route)
        self._sessions = Sessions(self._sender.session, self._watchdog)
        self._keys = dialect.keys
        self.clock = ServiceClock()
        self._warned = -TUNING.warning_interval

    @property
    def attempts(self) -> int | None:
        """Return how often a request is sent at most, None if only its deadline ends it."""
        return self._limits.attempts

    @property
    def closed(self) -> bool:
        """Return whether `close` was called."""
        return self._closed.is_set()

    def close(self) -> None:
        """End every request under way; the threads that wait for one get an error."""
        self._closed.set()
        self._watchdog.close()
        self._sessions.close()

    def may_ask_again(self, lost: int, deadline: Deadline, little: bool = False) -> bool:
        """Wait before another request for the rest of what several answers bring.

        Args:
            lost: answers in a row of which nothing could be used.
            deadline: of all of them.
            little: so little of the last one could be used that the request was hardly worth it.

        Returns:
            whether to ask: not when `attempts` are used up, or the client is closed.
        """
        if self._limits.attempts is not None and lost >= self._limits.attempts:
            return False
        pause = TUNING.first_pause if little else 0.0
        if lost > 1:
            pause = TUNING.first_pause * 2.0 ** min(lost, TUNING.doublings)
        self._closed.wait(min(pause, self._limits.longest_pause, deadline.remaining()))
        return not self._closed.is_set()

    def get(  # noqa: PLR0913 (most calls need only the first four)
        self,
        call: str,
        path: str,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        on_failure: Callable[[TransientError], None] | None = None,
    ) -> T:
        """GET a path and return what `consume` makes of the answer.

        The answer's body is not read yet when `consume` gets it. A `TransientError`, of the
        connection, of the service or raised by `consume`, is a reason to ask again, on a new
        connection, until the deadline; see `Persistence`. Where the service refuses the key, and
        there is another one where it was found, that is tried, once.

        Args:
            call: name of the call, for messages and counters.
            path: path below the endpoint, escaped.
            consume: makes the result of a 2xx answer.
            deadline: ends all attempts together.
            parameters: query, not escaped.
            headers: added to the request.
            on_failure: is notified of what an attempt met that another may mend; what it raises
                ends the call.

        Raises:
            ConfigError: the proxy or the certificates of the environment cannot be used.
            DeadlineError: no success before the deadline.
            CasfsError: whatever the last attempt met.
        """
        query = urlencode(parameters or {}, quote_via=quote, safe="")
        url = f"{self._endpoint}{path}{'?' if query else ''}{query}"
        deadline.check(f"{call} {path}")
        if not self._route.checked:
            self._route.check()
        edition = self.key_edition
        message = Message("GET", url, headers or {})
        ask = partial(self._persist, call, message, consume, deadline, on_failure)
        try:
            return ask()
        except DeniedError:
            if not self.renew_key(edition, deadline):
                raise
            return ask()

    def _persist(
        self,
        call: str,
        message: Message,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
        on_failure: Callable[[TransientError], None] | None,
    ) -> T:
        tries, patience = 0, 1
        failed: list[TransientError] = []
        began, restarts = time.monotonic(), deadline.restarts

        def attempt() -> T:
            nonlocal tries, patience
            if failed:
                raise failed.pop()
            tries += 1
            try:
                # One attempt may meet a connection that died unnoticed, the next one must not.
                return self._attempt(call, message, consume, deadline, tries > 1, patience)
            except TransientError as error:
                # It may be the service that always takes so long.
                if isinstance(error.__cause__, requests.ReadTimeout):
                    patience = min(2 * patience, TUNING.most_patience)
                if on_failure is not None:
                    on_failure(error)
                raise

        try:
            return attempt()
        except TransientError as error:
            # Only what fails goes by way of tenacity, which takes as long as all else of an answer.
            failed.append(error)
        persistence = Persistence(self._limits, deadline, restarts)
        note = partial(self._note_failure, deadline=deadline)
        try:
            return persistence.run(attempt, began, self._closed, note)
        except MismatchError:
            raise
        except TransientError as error:
            if self._closed.is_set() or persistence.exhausted:
                raise
            attempts = "1 attempt" if tries == 1 else f"{tries} attempts"
            raise DeadlineError(
                f"{error}; gave up after {attempts} in {deadline.seconds:g} s"
            ) from error

    def post(
        self,
        call: str,
        path: str,
        body: bytes,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
    ) -> T:
        """POST once, over a connection of its own, and return what `consume` makes of the answer.

        Nothing below repeats it either: no idle connection can be found dead.

        Args:
            call: name of the call, for messages and counters.
            path: path below the endpoint, escaped.
            body: of the request.
            consume: makes the result of any answer, also of one that is an error or a stranger's.
            deadline: ends the attempt.

        Raises:
            UnsentError: no byte of the request left this machine; its cause says why.
            ConfigError: proxy or certificates cannot be used; no connection was made.
            CasfsError: the request was sent, at least in part, and its answer is lost.
        """
        self._route.check()
        url = f"{self._endpoint}{path}"
        connected = threading.Event()
        session = self._sender.session(connected.set)
        try:
            with self._watchdog.limit(deadline):
                self._check_open()
                deadline.check(f"{call} {path}")
                message = Message("POST", url, {}, body)
                with self._sender.send(session, message, deadline) as answer:
                    self._route.reached = True
                    self._metrics.count_answer(call)
                    return consume(answer)
        except CONNECTION_ERRORS as error:
            met = self._explained(call, url, error)
            if connected.is_set():
                raise met from error
            raise UnsentError(str(met)) from met
        finally:
            session.close()

    def renew_key(self, edition: int, deadline: Deadline) -> bool:
        """Look for another key after that of `edition` was refused; see `RotatingKeys.renew`."""
        return self._keys is not None and self._keys.renew(edition, deadline.remaining())

    @property
    def key_edition(self) -> int:
        """Return a number that changes whenever the key does."""
        return self._keys.edition if self._keys else 0

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise UnreachableError("the client is closed")

    def _explained(self, call: str, url: str, error: Exception) -> CasfsError:
        """Return what a connection that failed means."""
        if isinstance(error, CasfsError):
            return error
        return self._route.explain(causes(error)) or connection_error(call, url, error)

    def _note_failure(self, failure: Failure, deadline: Deadline) -> None:
        error = failure.error
        self._metrics.count_failure(type(error).__name__.removesuffix("Error"))
        log.info("attempt %d failed: %s", failure.attempt, error)
        now = time.monotonic()
        telling = isinstance(error, ForeignAnswerError) or failure.seconds > TUNING.silence
        # Two threads may both warn: that does no harm.
        if telling and now - self._warned > TUNING.warning_interval and not self._closed.is_set():
            self._warned = now
            log.warning("%s; retrying for up to %.0f s", error, deadline.remaining())

    def _attempt(
        self,
        call: str,
        message: Message,
        consume: Callable[[requests.Response], T],
        deadline: Deadline,
        fresh: bool,
        patience: int,
    ) -> T:
        try:
            with self._sessions.borrow(fresh, deadline) as session:
                self._check_open()
                with self._sender.send(session, message, deadline, patience) as answer:
                    self._route.reached = True
                    self._metrics.count_answer(call)
                    if answer.status_code // 100 != 2:
                        raise answer_error(
                            call, answer, self._dialect.error, self._dialect.request_id_header
                        )
                    return consume(answer)
        except CONNECTION_ERRORS as error:
            if isinstance(error, CasfsError):
                raise
            raise self._explained(call, message.url, error) from error
