"""Records restored files: names are on disk before the manifest says so.

Several files that are ready at the same time share the syncs, which is what small files take most
time for.

Lock order: the one lock guards what waits and what went wrong; nothing is written under it.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from casfs.errors import CasfsError, DestinationDiskError, DestinationError
from casfs.reasons import reason
from casfs.restore.destination.manifest import ManifestLine, ManifestWriter, archive_line
from casfs.restore.destination.opened_tree import OpenedDirectory, OpenedTree
from casfs.threads import start_thread

log = logging.getLogger(__name__)

_MOST = 512
"""Lines that wait before whoever adds one waits."""
_LONGEST = 600.0
"""Seconds after which a disk that does not end a sync is taken to be broken."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is to be recorded of an archive.

    Attributes:
        line: what became of it.
        directory: has its name since just now, None if nothing was renamed.
        after: is called when it is on disk.
    """

    line: ManifestLine
    directory: OpenedDirectory | None
    after: Callable[[], None]


class Recorder:
    """A thread that syncs directories and appends to the manifest.

    Args:
        manifest: gets the lines.
        tree: explains what fails.
        failed: is called, once, with the error that ends it.
    """

    def __init__(
        self, manifest: ManifestWriter, tree: OpenedTree, failed: Callable[[CasfsError], None]
    ) -> None:
        self._manifest = manifest
        self._tree = tree
        self._failed = failed
        self._changed = threading.Condition(threading.Lock())
        self._waiting: list[Recorded] = []
        self._error: CasfsError | None = None
        self._recording = False
        self._batches = 0
        self._ending = False
        self._thread = start_thread("manifest", self._run)

    def add(self, recorded: Recorded) -> None:
        """Let something be recorded soon; wait while there is too much of it.

        Raises:
            CasfsError: what was added before could not be recorded.
        """
        with self._changed:
            self._wait(lambda: len(self._waiting) < _MOST)
            self._waiting.append(recorded)
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until everything that was added is recorded.

        Raises:
            CasfsError: something could not be recorded.
        """
        with self._changed:
            self._wait(lambda: not (self._waiting or self._recording))

    def close(self) -> None:
        """Record what waits, and end.

        Raises:
            CasfsError: something could not be recorded.
        """
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join(_LONGEST)
        if self._thread.is_alive():
            raise self._stuck()
        if self._error is not None:
            raise self._error

    def _wait(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, as long as the disk gets anywhere; the lock is held.

        Raises:
            CasfsError: what was added before could not be recorded.
        """
        end, seen = time.monotonic() + _LONGEST, self._batches
        while not is_so() and self._error is None:
            self._changed.wait(max(0.0, end - time.monotonic()))
            if self._batches != seen:
                end, seen = time.monotonic() + _LONGEST, self._batches
            elif time.monotonic() >= end:
                raise self._stuck()
        if self._error is not None:
            raise self._error

    def _stuck(self) -> DestinationDiskError:
        return DestinationDiskError(
            f"the disk of {self._tree.path} has not answered for {_LONGEST / 60:.0f} minutes; see "
            "to it and run the same command again"
        )

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                batch, self._waiting = self._waiting, []
                self._recording = bool(batch)
                self._changed.notify_all()
            if not batch:
                return
            try:
                self._record(batch)
            except CasfsError as error:
                self._end(error)
                return
            except Exception as error:
                # Whatever it is: lanes wait for this thread.
                log.info("the recorder of a restore ends", exc_info=error)
                text = f"restored files stay, but cannot be recorded: {reason(error)}; fix this"
                self._end(DestinationError(f"{text} and run the same command again"))
                return
            with self._changed:
                self._recording = False
                self._batches += 1
                self._changed.notify_all()

    def _end(self, error: CasfsError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()
        self._failed(error)

    def _record(self, batch: list[Recorded]) -> None:
        directories = {one.directory for one in batch if one.directory is not None}
        for directory in directories:
            try:
                directory.sync()
            except OSError as error:
                raise self._tree.error("", error) from error
        self._manifest.append([archive_line(one.line) for one in batch])
        for one in batch:
            one.after()
