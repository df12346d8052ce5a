"""Signs a request and sends it, once, over a session."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests

from casfs.deadline import Deadline
from casfs.errors import RequestError
from casfs.service.dialect import Authorization
from casfs.service.retries import Limits
from casfs.service.route import Route
from casfs.service.watchdog import Watchdog, WatchedAdapter


class UnsentError(Exception):
    """Internal: nothing of a request that must not be sent twice left this machine.

    Its cause says why.
    """


@dataclass(frozen=True, slots=True)
class Message:
    """A request before it is signed.

    Attributes:
        url: with the query, escaped.
        headers: beside those that every request has.
        body: None if it has none.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Sender:
    """Signs and sends requests to one endpoint.

    Args:
        endpoint: URL of scheme, host and port.
        authorization: signs a request whose URL and headers are final.
        limits: how long to wait for a connection, and for bytes.
        watchdog: ends what takes too long.
        route: how requests leave this machine.
    """

    def __init__(
        self,
        endpoint: str,
        authorization: Authorization,
        limits: Limits,
        watchdog: Watchdog,
        route: Route,
    ) -> None:
        self._host = endpoint.partition("://")[2]
        self._authorization = authorization
        self._limits = limits
        self._watchdog = watchdog
        self._route = route

    def session(self, connected: Callable[[], None] = lambda: None) -> requests.Session:
        """Return a session, which connects when it is used; `connected` is called when it has."""
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, WatchedAdapter(self._watchdog, connected))
        return session

    def send(
        self, session: requests.Session, message: Message, deadline: Deadline, patience: int = 1
    ) -> requests.Response:
        """Send a request, and return the answer, its body unread.

        Args:
            session: sends it.
            message: the request.
            deadline: ends it.
            patience: how many times as long as usual there may be no byte.

        Raises:
            RequestError: it cannot be written as a request.
            RequestException of requests: as there.
            CasfsError: there is no key to sign with.
        """
        url = message.url
        # Preparing it as a whole resolves "." and ".." in the path, legal names of vaults.
        request = requests.PreparedRequest()
        request.prepare_method(message.method)
        request.url = url
        request.prepare_headers(
            {"Host": self._host, "Accept-Encoding": "identity"} | dict(message.headers)
        )
        request.prepare_body(message.body, None)
        left = deadline.remaining()
        timeout = (
            max(0.001, min(self._limits.connect_timeout, left)),
            max(0.001, min(patience * self._limits.read_timeout, left)),
        )
        try:
            # Not by the session itself, which reads all of a redirect, however long, to follow it.
            return session.get_adapter(url).send(
                self._authorization(request), timeout=timeout, **self._route.settings
            )
        except ValueError as error:
            if isinstance(error, OSError):
                raise
            # Its text quotes the header that cannot be sent, and so a key.
            raise RequestError(
                f"{message.method} {url}: the request cannot be sent; check --endpoint and the keys"
            ) from None
