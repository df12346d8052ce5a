"""Where each restore of this machine stands, in a small file that other processes may read.

    <state directory>/restores/<run>.json

It holds the facts of the last `status` line of `--json`, and what that does not have: destination,
process, result. A file is replaced as a whole, so that a reader sees all of it or none.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from casfs.errors import CasfsError
from casfs.ledger.files import RESTORES, state_directory
from casfs.private import PrivateDirectory
from casfs.reasons import reason
from casfs.restore.clock import now

log = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
_LARGEST = 1 << 20
_KEPT_SECONDS = 30 * 86400.0
"""How long the file of a restore stays after it was last written."""
_START_TIME = 19
"""Position of a process's start in /proc/PID/stat, after its name (proc(5))."""


class ProgressFile:
    """The progress of one restore, as its process writes it.

    What cannot be written is logged once: a restore does not end for that.

    Args:
        directory: the state directory; None if there is none, and nothing is written.
        run: identifies the restore.
        vault: name of its vault.
        destination: where it writes.
    """

    def __init__(self, directory: Path | None, run: str, vault: str, destination: Path) -> None:
        self._private = None if directory is None else state_directory(directory)
        self._name = f"{run}.json"
        self._due = 0.0
        self._warned = False
        pid = os.getpid()
        self._facts: dict[str, Any] = {
            "vault": vault,
            "run": run,
            "destination": os.path.realpath(destination),
            "pid": pid,
            "boot": now().boot,
            "process_started": _started(pid),
            "started": datetime.now(UTC),
            "exit_status": None,
            "cost": None,
            "currency": None,
            "last_error": None,
        }

    def write(self, facts: Mapping[str, Any], **more: Any) -> None:
        """Write how far it is; at most once a second.

        Args:
            facts: of a `status` line.
            more: `cost`, `currency` and `last_error`, as far as they have changed.
        """
        self._facts |= {**facts, **more}
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _EVERY_SECONDS
            self._replace()

    def end(self, exit_status: int) -> None:
        """Write that it has ended."""
        self._facts["exit_status"] = exit_status
        self._replace()

    def _replace(self) -> None:
        if self._private is None:
            return
        directory = self._private.path / RESTORES
        new = directory / f".{self._name}.{os.getpid()}"
        try:
            self._private.make_below(directory)
            text = json.dumps(self._facts | {"updated": datetime.now(UTC)}, default=_plain)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with open(self._private.open(new, flags), "w", encoding="utf-8") as file:
                file.write(text)
            new.replace(directory / self._name)
        except OSError as error:
            if not self._warned:
                log.warning("casfs status cannot show the progress: %s", reason(error))
            self._warned = True
            with suppress(OSError):
                new.unlink()


def restores(directory: Path | None) -> list[dict[str, Any]]:
    """Return the progress of all restores, the one that was written last first.

    Each has `alive` as well: whether its process runs. Files of restores that ended long ago are
    removed.

    Args:
        directory: the state directory.
    """
    found: list[dict[str, Any]] = []
    if directory is None or not directory.is_dir():
        return found
    private = state_directory(directory)
    try:
        private.confirm()
        entries = private.entries(private.path / RESTORES)
    except (CasfsError, OSError) as error:
        log.warning("cannot see restores: %s", reason(error))
        return found
    for entry in entries:
        if not entry.name.endswith(".json"):
            continue
        facts = _read(private, Path(entry.path))
        if facts is not None:
            found.append(facts | {"alive": _is_alive(facts)})
    return sorted(found, key=lambda facts: str(facts.get("updated")), reverse=True)


def _read(private: PrivateDirectory, path: Path) -> dict[str, Any] | None:
    try:
        with open(private.open(path, os.O_RDONLY), "rb") as file:
            facts = json.loads(file.read(_LARGEST))
            age = time.time() - os.fstat(file.fileno()).st_mtime
    except (OSError, ValueError, RecursionError) as error:
        log.info("cannot use %s: %s", path, reason(error))
        return None
    if not isinstance(facts, dict):
        return None
    if age > _KEPT_SECONDS and not _is_alive(facts):
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return None
    return facts


def _is_alive(facts: Mapping[str, Any]) -> bool:
    pid, started = facts.get("pid"), facts.get("process_started")
    if facts.get("boot") != now().boot or not isinstance(pid, int) or started is None:
        return False
    return bool(_started(pid) == started)


def _started(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot, None if there is none."""
    try:
        # The name, in parentheses, may contain anything.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[_START_TIME])
    except (OSError, ValueError, IndexError):
        return None


def _plain(fact: object) -> object:
    return fact.isoformat() if isinstance(fact, datetime) else str(fact)
