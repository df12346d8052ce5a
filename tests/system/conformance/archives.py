"""Archives by name, as tests of them refresh and read them."""

import contextlib
import os
from pathlib import Path

from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, Service
from tests.support.mounting import Mount

ARCHIVES = f"vaults/{VAULT}/archives"


def settings_of(service: Service) -> dict[str, str]:
    return {**service.settings, "CASFS_LISTING_TTL": "0", "CASFS_ATTEMPTS": "2"}


def refresh(mount: Mount) -> None:
    """Catalogue the vault, in a process of its own that shares the cache with the mount."""
    mount.good(CASFS, "catalog", "refresh", VAULT)


UNLISTED = (
    "cached", "compressed", "encrypted", "expires", "job-id", "original-size", "rule", "verified",
)  # fmt: skip
"""Attributes that are answered by name only."""


def attributes_of(path: Path) -> dict[str, str]:
    found = {}
    for name in (*os.listxattr(path), *(f"user.casfs.{name}" for name in UNLISTED)):
        with contextlib.suppress(OSError):
            found[name.removeprefix("user.casfs.")] = os.getxattr(path, name).decode()
    return found
