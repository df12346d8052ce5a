"""What tests of the client read, and how."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.archive import MIB, random_bytes
from tests.support.emulator.running import RunningEmulator, running_emulator

DATA = random_bytes(5 * MIB + 99, seed=9)


@contextmanager
def emulator_with_data(folder: Path) -> Iterator[tuple[RunningEmulator, str]]:
    """An emulator with two vaults, and the id of the archive in `v` that is `DATA`."""
    with running_emulator(folder) as running:
        for vault in ("v", "Other.1"):
            running.create_vault(vault)
        yield running, running.upload("v", DATA, "a/b c.bin")


def names(client, path):
    return sorted(node.path.rpartition("/")[2] for node in client.list(path))


def content(client, path):
    file = client.open(client.stat(path))
    try:
        return b"".join(bytes(file.pread(700_001, at)) for at in range(0, file.size, 700_001))
    finally:
        file.close()
