"""Services and transports that talk to a server of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from casfs.credentials import Credentials
from casfs.metrics import Metrics
from casfs.service.cas import cas
from casfs.service.dialect import Dialect
from casfs.service.retries import Limits
from casfs.service.service import Service
from casfs.service.transport import Transport
from tests.support.emulator.running import KEY_ID, SECRET
from tests.support.server import Answer

KEY = Credentials(KEY_ID, SECRET)
REQUEST_ID = "x-cas-requestid"


def limits(
    attempts: int | None = 3,
    connect_timeout: float = 5,
    read_timeout: float = 5,
    pause: float = 0.01,
) -> Limits:
    """Limits with short pauses."""
    return Limits(connect_timeout, read_timeout, attempts, pause)


@contextmanager
def transport_to(url: str, metrics: Metrics | None = None, **tries: Any) -> Iterator[Transport]:
    dialect = cas("-", KEY, "")
    transport = Transport(url, dialect, limits(**tries), metrics or Metrics())
    try:
        yield transport
    finally:
        transport.close()


@contextmanager
def service_at(
    url: str,
    account: str = "-",
    metrics: Metrics | None = None,
    page_limit: int | None = None,
    dialect: Dialect | None = None,
    **tries: Any,
) -> Iterator[Service]:
    dialect = dialect or cas(account, KEY, "")
    if page_limit is not None:
        dialect = replace(dialect, vaults_limit=page_limit, jobs_limit=page_limit)
    tried = limits(**tries)
    service = Service(dialect, url, account, tried, metrics or Metrics())
    try:
        yield service
    finally:
        service.close()


def refusal(status: int, code: str, message: str = "because") -> Answer:
    """An error as CAS words it."""
    body = f'{{"code": "{code}", "message": "{message}", "type": "Client"}}'
    headers = {"Content-Type": "application/json", REQUEST_ID: "request-42"}
    return Answer(status, body.encode(), headers)


def html(status: int) -> Answer:
    """An error of a proxy in between."""
    body = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
    return Answer(status, body, {"Content-Type": "text/html"})
