"""Replaces names in the catalog that an earlier casfs or other rules derived, at first use.

Whoever looks at the archives of a vault waits for that, since a listing of old and new names would
have rsync copy archives twice.

Lock order: the one lock guards which vaults are current, and is innermost.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from casfs.errors import CasfsError
from casfs.threads import result_within, start_thread
from casfs.tree.archives.naming import is_outdated, use_rules
from casfs.tree.descriptions.rules import RuleSet
from casfs.tree.single_flight import SingleFlight, WorkProgress
from casfs.tree.sqlite.database import Database

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0


class CurrentNames:
    """Keeps the names of archives as the rules of today derive them.

    Args:
        database: stores them.
        rules: returns the rules for descriptions by the name of a vault.
        deadline: seconds without progress after which waiters give up.
    """

    def __init__(
        self, database: Database, rules: Callable[[str], RuleSet], deadline: float
    ) -> None:
        self._database = database
        self._rules = rules
        self._once = SingleFlight(deadline)
        self._lock = threading.Lock()
        self._current: set[str] = set()
        self._closed = threading.Event()

    def close(self) -> None:
        """End what is in progress; the next call resumes it."""
        self._closed.set()

    def update(self, vault: str) -> None:
        """Derive the names of a vault again if they are outdated, and wait for that.

        What cannot be renamed keeps its name, and the log says so.

        Raises:
            InterruptedError: the program that waits was interrupted; the work goes on.
        """
        with self._lock:
            if vault in self._current:
                return
        try:
            if is_outdated(self._database, vault, self._rules(vault)):
                self._wait_for(vault)
            with self._lock:
                self._current.add(vault)
        except CasfsError as error:
            log.warning("archives of vault %s still have their old names: %s", vault, error)

    def _wait_for(self, vault: str) -> None:
        done: Future[None] = Future()
        # In a thread of its own: a program that waits for it can be killed.
        start_thread("names", self._rename, vault, done)
        while not self._closed.is_set():
            try:
                result_within(done, _LOOK_SECONDS)
                return
            except FutureTimeoutError:
                if done.done():
                    raise

    def _rename(self, vault: str, done: "Future[None]") -> None:
        def rename(progress: WorkProgress) -> None:
            log.info("renaming the archives of vault %s", vault)
            use_rules(self._database, vault, self._rules(vault), lambda: self._step(progress))

        try:
            self._once.make(vault, f"renaming the archives of vault {vault}", rename)
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            done.set_exception(error)

    def _step(self, progress: WorkProgress) -> None:
        progress.steps += 1
        if self._closed.is_set():
            raise CasfsError("casfs is ending; the next mount or command renames the rest")
