"""Picks up keys that another program replaces while a mount is running."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from casfs.credentials import Credentials, KeySource
from casfs.deadline import Deadline
from casfs.errors import CasfsError, ConfigError, DeadlineError

log = logging.getLogger(__name__)

FindAgain: TypeAlias = Callable[[], KeySource | None]
"""Returns the key that is now where a key was found before; None if there is none.

Raises:
    CasfsError: it cannot be used.
"""

CheckKey: TypeAlias = Callable[[KeySource, float], None]
"""Checks a new key, within the given number of seconds.

Raises:
    CasfsError: it must not be used, or could not be checked.
"""

_INTERVAL = 5.0
"""Seconds between two searches, so that a key rejected for good does not cost one per request."""
_CHECK_SECONDS = 20.0
"""How long a check may take."""


class RotatingKeys:
    """A key that is searched for again when the service rejects it.

    Its identity, by which the cache is partitioned, remains that of the first key: a new key
    belongs to the same account, or the service rejects it.

    Lock order: its one lock is innermost, and is not held while a key is searched or checked.

    Args:
        first: the key that was found.
        find_again: finds it again.
        check: checks a new key before it is used; None if any key may be used.

    Attributes:
        edition: a number that changes whenever the key does.
    """

    def __init__(
        self, first: KeySource, find_again: FindAgain, check: CheckKey | None = None
    ) -> None:
        self.identity = first.identity
        self._find_again = find_again
        self._check = check
        self._lock = threading.Lock()
        self._keys = first
        self.edition = 0
        self._looking: threading.Event | None = None
        self._looked = -_INTERVAL

    def current(self) -> Credentials:
        """Return the key to sign with now.

        Raises:
            DeniedError: as for `KeySource.current`.
        """
        return self._keys.current()

    def renew(self, refused: int, seconds: float) -> bool:
        """Look for a new key, because the service rejected this one (single-flight).

        Args:
            refused: `edition` before the key was used.
            seconds: how long to wait for the check, or for a thread that is already looking.

        Returns:
            Whether there is a key other than the one that was rejected.
        """
        deadline = Deadline(seconds)
        while True:
            with self._lock:
                if self.edition != refused:
                    return True
                looking = self._looking
                if looking is None:
                    if time.monotonic() - self._looked < _INTERVAL:
                        return False
                    self._looking = threading.Event()
            if looking is None:
                return self._look(self._find_again, deadline)
            if not looking.wait(deadline.remaining()):
                return self.edition != refused

    def _look(self, find_again: FindAgain, deadline: Deadline) -> bool:
        """Look for a new key, wake the waiting threads, and return whether there is one."""
        found, final = None, True
        try:
            found, final = self._another(find_again, deadline)
        finally:
            with self._lock:
                if found is not None:
                    self._keys = found
                    self.edition += 1
                if final:
                    self._looked = time.monotonic()
                ended, self._looking = self._looking, None
            if ended is not None:
                ended.set()
        return found is not None

    def _another(self, find_again: FindAgain, deadline: Deadline) -> tuple[KeySource | None, bool]:
        """Return the new key, None if it is unchanged or must not be used.

        Also return whether that is final: it is not if the check had less time than it may take.
        """
        seconds = _CHECK_SECONDS
        try:
            found = find_again()
            now = found.current() if found is not None else None
            if found is None or now is None or now == self._known():
                return None, True
            if self._check is not None:
                seconds = min(_CHECK_SECONDS, deadline.remaining())
                self._check(found, seconds)
        except CasfsError as error:
            # The caller gets the service's rejection of the old key.
            level = logging.WARNING if isinstance(error, ConfigError) else logging.INFO
            log.log(level, "the service rejects the key, and there is no usable new one: %s", error)
            return None, not isinstance(error, DeadlineError) or seconds == _CHECK_SECONDS
        log.info("the service rejects the key; switching to key %s", now.access_key_id)
        return found, True

    def _known(self) -> Credentials | None:
        try:
            return self._keys.current()
        except CasfsError:
            # It has expired and could not be renewed.
            return None
