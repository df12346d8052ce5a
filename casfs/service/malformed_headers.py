"""Answers with headers that are none: logged once a host, and not with each request."""

import logging
import re
import threading
from urllib.parse import urlsplit

_LOGGER = "urllib3.connection"
_URL = re.compile(r"https?://[^\s,)]+")


class MalformedHeaders(logging.Filter):
    """Replaces urllib3's warning about malformed headers, which it logs for every answer.

    Lock order: its one lock is innermost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._hosts: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the first such record of a host pass, in our words, and every other record."""
        if "parse headers" not in record.msg:
            return True
        found = _URL.search(record.getMessage())
        host = urlsplit(found[0]).netloc.rpartition("@")[2] if found else "a host"
        with self._lock:
            is_first = host not in self._hosts
            self._hosts.add(host)
        record.msg = (
            "%s sends malformed headers, and what follows them is lost; "
            "check --endpoint and any proxy on the way"
        )
        record.args = (host,)
        record.exc_info = record.exc_text = None
        return is_first


def log_malformed_headers_once() -> None:
    """Install the filter, unless it is installed."""
    logger = logging.getLogger(_LOGGER)
    if not any(isinstance(one, MalformedHeaders) for one in logger.filters):
        logger.addFilter(MalformedHeaders())
