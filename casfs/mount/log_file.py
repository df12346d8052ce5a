"""The log of a mount: readable by its user alone, since it names vaults, files and machines."""

import logging.handlers
import os
import stat
from io import TextIOWrapper
from pathlib import Path

from casfs.homes import is_log_directory
from casfs.mount.mount_tuning import TUNING
from casfs.private import PrivateDirectory
from casfs.reasons import reason

log = logging.getLogger(__name__)

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT


class LogFile(logging.handlers.RotatingFileHandler):
    """Appends to a file of mode 0600, and rotates it at 4 MiB.

    The directory in which logs are kept where no other file is named is closed to others, too.

    Args:
        path: of the file.

    Raises:
        ConfigError: it, or the directory of all logs, is a link or somebody else's.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._directory = PrivateDirectory(path.parent, "the log directory", "--log-file", None)
        if is_log_directory(path.parent):
            self._directory.make()
        else:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(path, maxBytes=TUNING.log_bytes, backupCount=2, encoding="utf-8")

    def reopen(self) -> None:
        """Go on in the file that is at the path now, after a program such as logrotate moved it."""
        try:
            stream = self._open()
        except OSError as error:
            log.error("the log %s cannot be opened again: %s", self.baseFilename, reason(error))
            return
        self.acquire()
        try:
            before, self.stream = self.stream, stream
        finally:
            self.release()
        if before is not None:
            before.close()
        log.info("opened the log again")

    def _open(self) -> TextIOWrapper:
        try:
            kind = stat.S_IFMT(os.lstat(self.baseFilename).st_mode)
        except FileNotFoundError:
            kind = stat.S_IFREG
        if kind in (stat.S_IFREG, stat.S_IFLNK):
            file = self._directory.open(self.baseFilename, _FLAGS)
        else:
            # A device such as /dev/null, which is not ours to change.
            file = os.open(self.baseFilename, _FLAGS | os.O_CLOEXEC, 0o600)
        return open(file, "a", encoding=self.encoding, errors=self.errors)
