"""Watches a directory: no file may be there under a final name that is not whole."""

import ctypes
import hashlib
import os
import select
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

_MOVED_TO, _CREATE, _MODIFY, _IS_DIRECTORY = 0x80, 0x100, 0x2, 0x40000000
_EVENT = struct.Struct("iIII")


class DestinationWatch:
    """Looks at each file that gets a name, with inotify; a context manager.

    Args:
        top: directory that is watched, with all below it; made here.
        hashes: SHA-256 of each file that may be there, by its path.

    Attributes:
        wrong: what was seen that must not be.
        seen: how many files got a final name.
    """

    def __init__(self, top: Path, hashes: Mapping[str, str]) -> None:
        self._top = top
        self._hashes = hashes
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._notify = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._directories: dict[int, Path] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.wrong: list[str] = []
        self.seen = 0

    def __enter__(self) -> "DestinationWatch":
        self._top.mkdir(parents=True, exist_ok=True)
        self._watch(self._top)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._notify)

    def _watch(self, directory: Path) -> None:
        mask = _MOVED_TO | _CREATE | _MODIFY
        number = self._libc.inotify_add_watch(self._notify, os.fsencode(directory), mask)
        self._directories[number] = directory
        for entry in directory.iterdir():
            if entry.is_dir():
                self._watch(entry)
            else:
                self._look(entry)

    def _run(self) -> None:
        while not self._ended.is_set() or select.select([self._notify], [], [], 0)[0]:
            if not select.select([self._notify], [], [], 0.1)[0]:
                continue
            data, at = os.read(self._notify, 1 << 16), 0
            while at < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, at)
                name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
                at += _EVENT.size + length
                path = self._directories[number] / os.fsdecode(name)
                if mask & _IS_DIRECTORY:
                    if path.name != ".casfs-restore":
                        self._watch(path)
                else:
                    self._look(path)

    def _look(self, path: Path) -> None:
        if path.name.startswith(".casfs-"):
            return
        name = str(path.relative_to(self._top))
        self.seen += 1
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self._hashes.get(name):
            self.wrong.append(name)
