"""A catalogue file that is damaged while it is mounted: begun anew, and filled anew."""

import os
from pathlib import Path

from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, serving
from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until

ARCHIVES = f"vaults/{VAULT}/archives"


def damage(mount: Mount) -> None:
    """Write over the catalogue as a failing disk would, and over its log, as long as they are."""
    (file,) = mount.cache.rglob("catalog-*/*.sqlite")
    for path in (file, file.with_name(file.name + "-wal")):
        if path.exists():
            with path.open("r+b") as opened:
                opened.write(os.urandom(path.stat().st_size))


def lists(mount: Mount, names: list[str]) -> bool:
    """Tell whether these are listed: whoever meets the damage is told to try again."""
    try:
        return mount.list(ARCHIVES) == names
    except OSError:
        return False


def refreshed(mount: Mount) -> bool:
    done = mount.run(CASFS, "catalog", "refresh", VAULT)
    assert done.returncode == 0 or "was corrupt and is being rebuilt; try again" in done.stderr
    return done.returncode == 0


def test_a_damaged_catalogue_is_rebuilt(tmp_path: Path) -> None:
    names = ["one.txt", "two.txt"]
    with serving("cas", tmp_path, {"one.txt": 10, "two.txt": 20}) as service:
        service.add_inventory("listed")
        settings = {**service.settings, "CASFS_LISTING_TTL": "0"}
        with mounted(tmp_path / "home", service.emulator.url, **settings) as mount:
            assert refreshed(mount)
            assert mount.list(ARCHIVES) == names
            damage(mount)
            # Whichever of the two processes meets the damage first puts the file aside.
            wait_until(lambda: refreshed(mount), "a refresh")
            wait_until(lambda: lists(mount, names), "all names")
            assert list(mount.cache.rglob("catalog-*/*.damaged"))
            assert mount.read(ARCHIVES, "one.txt") == service.files["one.txt"]
            found = mount.good(CASFS, "find", VAULT, "*.txt")
            assert all(name in found for name in names)
            service.copy_archive("one.txt", "three")
            service.add_job("one.txt", "job-three", archive="three")
            service.emulator.sql("UPDATE archives SET description = 'x' WHERE id = 'three'")
            service.add_inventory("listed-later")
            assert refreshed(mount)
            wait_until(lambda: lists(mount, [*names, "x"]), "an archive that came since")
            assert "hit a bug" not in mount.log
