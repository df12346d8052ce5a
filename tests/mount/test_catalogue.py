"""A catalogue file that is damaged while it is mounted: begun anew, and filled anew."""

import os
from pathlib import Path

from tests.conformance.serving import VAULT, serving
from tests.mount.mounting import CASFS, Mount, mounted
from tests.mount.processes import wait_until

ARCHIVES = f"vaults/{VAULT}/archives"


def damage(mount: Mount) -> None:
    """Write over the catalogue as a failing disk would, and over its log, as long as they are."""
    (file,) = mount.cache.rglob("catalog-*/*.sqlite")
    for path in (file, file.with_name(file.name + "-wal")):
        if path.exists():
            with path.open("r+b") as opened:
                opened.write(os.urandom(path.stat().st_size))


def answers(mount: Mount) -> bool:
    """Tell whether listing works: whoever meets the damage is told to try again."""
    try:
        return mount.list(ARCHIVES) != []
    except OSError:
        return False


def test_a_damaged_catalogue_is_begun_anew(tmp_path: Path) -> None:
    with serving("cas", tmp_path, {"one.txt": 10, "two.txt": 20}) as service:
        service.add_inventory("listed")
        settings = {**service.settings, "CASFS_LISTING_TTL": "0"}
        with mounted(tmp_path / "home", service.emulator.url, **settings) as mount:
            mount.good(CASFS, "catalog", "refresh", VAULT)
            assert mount.list(ARCHIVES) == ["one.txt", "two.txt"]
            damage(mount)
            wait_until(lambda: answers(mount), "an answer")
            assert "is damaged and begun anew" in mount.log
            # The inventory is in the cache, so its names come back by themselves, or by a refresh.
            mount.good(CASFS, "catalog", "refresh", VAULT)
            assert mount.list(ARCHIVES) == ["one.txt", "two.txt"]
            assert mount.read(ARCHIVES, "one.txt") == service.files["one.txt"]
            assert "met a bug" not in mount.log
