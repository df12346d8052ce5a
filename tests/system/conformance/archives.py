"""Archives by name, as tests of them refresh and read them."""

import os
from pathlib import Path

from tests.support.emulated_service import VAULT, Service
from tests.support.mounting import CASFS, Mount

ARCHIVES = f"vaults/{VAULT}/archives"


def settings_of(service: Service) -> dict[str, str]:
    return {**service.settings, "CASFS_LISTING_TTL": "0", "CASFS_ATTEMPTS": "2"}


def refresh(mount: Mount) -> None:
    """Catalogue the vault, in a process of its own that shares the cache with the mount."""
    mount.good(CASFS, "catalog", "refresh", VAULT)


def attributes_of(path: Path) -> dict[str, str]:
    names = os.listxattr(path)
    return {name.removeprefix("user.casfs."): os.getxattr(path, name).decode() for name in names}
