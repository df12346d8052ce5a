"""casfs: the job outputs of archive services as read-only files, with every byte verified.

    with casfs.open_account("work") as account:
        for node in account.list("/vaults/photos/archives"):
            with contextlib.closing(account.open(node)) as file:
                first = file.pread(1 << 20, 0)

What `__all__` names is stable; everything else may change with each version.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casfs.client import Client
    from casfs.errors import CasfsError
    from casfs.public import open_account
    from casfs.tree.node import Node
    from casfs.tree.open_files import File

__all__ = ["CasfsError", "Client", "File", "Node", "__version__", "open_account"]
__version__ = "0.1.0"

_PLACES = {
    "CasfsError": "casfs.errors",
    "Client": "casfs.client",
    "File": "casfs.tree.open_files",
    "Node": "casfs.tree.node",
    "open_account": "casfs.public",
}


def __getattr__(name: str) -> object:
    # Imported on first use, because `casfs --help` and the emulator do not need it.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
