"""Two ways to an account: the client in this process, and a real mount. Tests see one interface."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Protocol

from casfs.client import Client
from casfs.config import load
from tests.support.emulated_service import Service
from tests.support.mounting import Mount
from tests.support.served import MIB


class Door(Protocol):
    """What a test does with an account; whatever fails raises `OSError` with its errno."""

    def list(self, path: str) -> list[str]: ...

    def size(self, path: str) -> int: ...

    def read(self, path: str) -> bytes: ...

    def digest(self, path: str) -> bytes: ...

    def read_at(self, path: str, size: int, offset: int) -> bytes: ...

    def attribute(self, path: str, name: str) -> str | None: ...


class ClientDoor:
    """The core behind every door."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, path: str) -> list[str]:
        return sorted(node.path.rpartition("/")[2] for node in self._client.list(f"/{path}"))

    def size(self, path: str) -> int:
        size = self._client.stat(f"/{path}").size
        assert size is not None
        return size

    def read(self, path: str) -> bytes:
        file = self._client.open(self._client.stat(f"/{path}"))
        try:
            return b"".join(bytes(file.pread(MIB, at)) for at in range(0, file.size, MIB))
        finally:
            file.close()

    def digest(self, path: str) -> bytes:
        return hashlib.sha256(self.read(path)).digest()

    def read_at(self, path: str, size: int, offset: int) -> bytes:
        file = self._client.open(self._client.stat(f"/{path}"))
        try:
            return bytes(file.pread(size, offset))
        finally:
            file.close()

    def attribute(self, path: str, name: str) -> str | None:
        return self._client.attributes(self._client.stat(f"/{path}")).get(name)


class MountDoor:
    """The kernel."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount

    def list(self, path: str) -> list[str]:
        return self._mount.list(path)

    def size(self, path: str) -> int:
        return self._mount.stat(path).st_size

    def read(self, path: str) -> bytes:
        return self._mount.read(path)

    def digest(self, path: str) -> bytes:
        return self._mount.ask(_digest, self._mount.path(path))

    def read_at(self, path: str, size: int, offset: int) -> bytes:
        return self._mount.ask(_read_at, self._mount.path(path), size, offset)

    def attribute(self, path: str, name: str) -> str | None:
        return self._mount.ask(_attribute, self._mount.path(path), f"user.casfs.{name}")


def _read_at(path: Path, size: int, offset: int) -> bytes:
    """Read past the kernel's read-ahead: exactly what is asked for."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        return os.pread(file.fileno(), size, offset)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _attribute(path: Path, name: str) -> str | None:
    try:
        return os.getxattr(path, name).decode()
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return None


def client_of(service: Service, cache: Path, **settings: str) -> Client:
    """A client whose listings are never fresh; `settings` are those of the environment."""
    environment = {
        "CASFS_CONFIG": os.devnull,
        "CASFS_CACHE_DIR": str(cache),
        "CASFS_LISTING_TTL": "0",
        "CASFS_ATTEMPTS": "3",
        **service.settings,
        **settings,
    }
    return Client(load(None, None, environment, cache))
