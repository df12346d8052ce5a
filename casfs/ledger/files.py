"""Where the ledger is, and what may be beside it in the state directory."""

from pathlib import Path

from casfs.private import PrivateDirectory

LEDGER = "requests.sqlite"
OWNERS = "requests.owners"
"""A file of which each running process has one byte locked."""
BESIDE = ("-wal", "-shm", "-journal")
"""The name endings of the files that SQLite keeps beside a database."""
SWEEPS = "sweeps"
"""The directory of the lists of jobs that processes share while they wait."""
RATES = "rates"
"""The directory of the rates at which outputs were fetched last."""
RESTORES = "restores"
"""The directory in which each restore says how far it is."""
_NAMES = frozenset(
    {OWNERS, RATES, RESTORES, SWEEPS, LEDGER, *(LEDGER + ending for ending in BESIDE)}
)


def state_directory(path: Path) -> PrivateDirectory:
    """Return the state directory at a path, which nobody else may be able to change."""
    return PrivateDirectory(path, "the state directory", "--state-dir", _NAMES)
