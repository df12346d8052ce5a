"""Keys that are replaced where they were found while a mount goes on: by another program, often."""

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
"""Looks for a key where it was found before, and returns what is there now, None if none is.

Raises:
    CasfsError: what is there cannot be used.
"""

CheckKey: TypeAlias = Callable[[KeySource, float], None]
"""Checks a key that is another one than before, within so many seconds.

Raises:
    CasfsError: it must not be used, or could not be checked.
"""

_INTERVAL = 5.0
"""Seconds between two looks: a key that is refused for good must not cost one each request."""
_PATIENCE = 20.0
"""Seconds that a check may take at most."""


class RotatingKeys:
    """A key that is looked for again when the service refuses it.

    What is cached belongs to the key that was there first, as long as this object lives: it is the
    same account's, or the service refuses it.

    Lock order: its one lock is innermost, and is not held while a key is looked for or checked.

    Args:
        first: the key that was found.
        find_again: looks for it again; None if it stood where nothing changes.
        check: checks another key before it is used; None if any that is found may be used.
    """

    def __init__(
        self, first: KeySource, find_again: FindAgain | None, check: CheckKey | None = None
    ) -> None:
        self.identity = first.identity
        self._find_again = find_again
        self._check = check
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
            seconds: how long to wait for another thread that looks already, and for the check.

        Returns:
            Whether there is another key than the one that was refused.
        """
        if self._find_again is None:
            return False
        deadline = Deadline(seconds)
        while True:
            with self._lock:
                if self._edition != refused:
                    return True
                looking = self._looking
                if looking is None:
                    if time.monotonic() - self._looked < _INTERVAL:
                        return False
                    self._looking = threading.Event()
            if looking is None:
                return self._look(self._find_again, deadline)
            if not looking.wait(deadline.remaining()):
                return self._edition != refused

    def _look(self, find_again: FindAgain, deadline: Deadline) -> bool:
        """Look for another key, and tell whether there is one; those who wait go on."""
        found, final = None, True
        try:
            found, final = self._another(find_again, deadline)
        finally:
            with self._lock:
                if found is not None:
                    self._keys = found
                    self._edition += 1
                if final:
                    self._looked = time.monotonic()
                ended, self._looking = self._looking, None
            if ended is not None:
                ended.set()
        return found is not None

    def _another(self, find_again: FindAgain, deadline: Deadline) -> tuple[KeySource | None, bool]:
        """Return the key that is there now, None if it is the one that was refused or not to use.

        Also return whether that is final: not if the check had less time than others may have.
        """
        patience = _PATIENCE
        try:
            found = find_again()
            now = found.current() if found is not None else None
            if found is None or now is None or now == self._known():
                return None, True
            if self._check is not None:
                patience = min(_PATIENCE, deadline.remaining())
                self._check(found, patience)
        except CasfsError as error:
            # Whoever asked gets the refusal.
            level = logging.WARNING if isinstance(error, ConfigError) else logging.INFO
            log.log(level, "the service refuses the key, and no other one can be used: %s", error)
            return None, not isinstance(error, DeadlineError) or patience == _PATIENCE
        log.info("the service refuses the key; from now on %s signs", now.access_key_id)
        return found, True

    def _known(self) -> Credentials | None:
        try:
            return self._keys.current()
        except CasfsError:
            # It has run out, and could not be renewed.
            return None
