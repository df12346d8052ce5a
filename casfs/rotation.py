"""Keys that are replaced where they were found while a mount goes on: by another program, often."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from casfs.credentials import Credentials, KeySource
from casfs.errors import CasfsError, ConfigError

log = logging.getLogger(__name__)

FindAgain: TypeAlias = Callable[[], KeySource | None]
"""Looks for a key where it was found before, and returns what is there now, None if none is.

Raises:
    CasfsError: what is there cannot be used.
"""

_INTERVAL = 5.0
"""Seconds between two looks: a key that is refused for good must not cost one each request."""


class RotatingKeys:
    """A key that is looked for again when the service refuses it.

    What is cached belongs to the key that was there first, as long as this object lives: it is the
    same account's, or the service refuses it.

    Lock order: its one lock is innermost, and is not held while a key is looked for.

    Args:
        first: the key that was found.
        find_again: looks for it again; None if it stood where nothing changes.
    """

    def __init__(self, first: KeySource, find_again: FindAgain | None) -> None:
        self.identity = first.identity
        self._find_again = find_again
        self._lock = threading.Lock()
        self._keys = first
        self._edition = 0
        self._looking: threading.Event | None = None
        self._looked = -_INTERVAL

    @property
    def edition(self) -> int:
        """Return a number that is another one with another key."""
        return self._edition

    def current(self) -> Credentials:
        """Return the key to sign with now.

        Raises:
            DeniedError: see `KeySource`.
        """
        return self._keys.current()

    def renew(self, refused: int, seconds: float) -> bool:
        """Look for the key again, because the service refused it.

        Of several threads that ask for this one looks, and the others wait for it.

        Args:
            refused: `edition` before the key was used.
            seconds: how long to wait for another thread that looks already.

        Returns:
            Whether there is another key than the one that was refused.
        """
        if self._find_again is None:
            return False
        with self._lock:
            if self._edition != refused:
                return True
            looking = self._looking
            if looking is None:
                if time.monotonic() - self._looked < _INTERVAL:
                    return False
                self._looking = threading.Event()
        if looking is not None:
            looking.wait(seconds)
            return self._edition != refused
        found: KeySource | None = None
        try:
            found = self._look(self._find_again)
        finally:
            with self._lock:
                if found is not None:
                    self._keys = found
                    self._edition += 1
                self._looked = time.monotonic()
                ended, self._looking = self._looking, None
            if ended is not None:
                ended.set()
        return found is not None

    def _look(self, find_again: FindAgain) -> KeySource | None:
        """Return the key that is there now, None if it is the one that was refused."""
        try:
            found = find_again()
            now = found.current() if found is not None else None
        except CasfsError as error:
            # Whoever asked gets the refusal.
            level = logging.WARNING if isinstance(error, ConfigError) else logging.INFO
            log.log(level, "the service refuses the key, and there is no other one: %s", error)
            return None
        if found is None or now is None or now == self._known():
            return None
        log.info("the service refuses the key; from now on %s signs", now.access_key_id)
        return found

    def _known(self) -> Credentials | None:
        try:
            return self._keys.current()
        except CasfsError:
            # It has run out, and could not be renewed.
            return None
