"""What casfs shows on a terminal, in a setting that is always the same: for docs/screens.md."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.command import CASFS
from tests.support.emulator.running import RunningEmulator, running_emulator
from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.random_data import random_bytes
from tests.support.terminal import on_terminal

COLUMNS = 100
VAULT = "photos"
MIB = 1 << 20
HOUR = 3600
READABLE = {"2019/spring.tif": 3 * MIB, "2019/summer.tif": 2 * MIB, "2019/autumn.tif": 2 * MIB}
"""Too little for a rate, by which a mount would know what is at risk."""
COLD = {"2020/ice.tif": 40 << 30, "2020/snow.tif": 700 << 30}
_VARYING = (
    # With its date if that is another day.
    (r"(\d{4}-\d\d-\d\d |\d\d [A-Z][a-z]{2} )?\d\d:\d\d(:\d\d)?( [A-Z]{3,5}\b)?", "TIME"),
    # The disk of a busy machine may be slow, which is a warning.
    (r"^ *last warning .*", ""),
    (r"working; see the last warning|\bwarning\b", "good"),
    (r"\S{8}\.\.\S{4}", "ID"),
    (r"[0-9][0-9,.]*", "0"),
    (r"0 ([KMGT]i)?B", "SIZE"),
    (r"[ ─-]+", " "),
)
"""What differs from run to run, and what it is compared as."""


def screens(root: Path) -> str:
    """The page of screens, made in an empty directory with a short path."""
    with (
        running_emulator(root / "e", "--region", "ap-chengdu") as emulator,
        mounted(root / "m", emulator.url, **SETTINGS) as mount,
    ):
        _fill(emulator, mount)
        return "\n".join(_page(mount, root))


SETTINGS = {"CASFS_REGION": "ap-chengdu", "CASFS_TRAFFIC": "outside"}


def shape(page: str) -> list[str]:
    """The lines of a page without what differs from run to run."""
    found = []
    for line in page.splitlines():
        for pattern, instead in _VARYING:
            line = re.sub(pattern, instead, line)
        found.append(line.strip())
    return [line for line in found if line]


def _fill(emulator: RunningEmulator, mount: Mount) -> None:
    """Put archives in every state into a vault, and read those that can be read."""
    emulator.create_vault(VAULT)
    jobs = {}
    for name, size in READABLE.items():
        archive = emulator.upload(VAULT, random_bytes(size, name), name)
        jobs[name] = emulator.retrieve(VAULT, archive)
    for name, size in COLD.items():
        archive = emulator.upload(VAULT, b"-", name)
        emulator.sql("UPDATE archives SET size = ? WHERE id = ?", size, archive)
    for name, hours in {"2019/summer.tif": -21.5, "2019/autumn.tif": 2.0}.items():
        completed = time.time() + hours * HOUR
        emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", completed, jobs[name])
    emulator.start(VAULT, Type="inventory-retrieval", Format="JSON")
    mount.good(CASFS, "catalog", "refresh", VAULT)
    # All of them, since reading one prefetches others.
    for name in ("2019/spring.tif", "2019/summer.tif"):
        mount.read("vaults", VAULT, "jobs", jobs[name], "output")
    wait_until(lambda: mount.status()["open_files"] == 0, "the file to be closed")
    wait_until(lambda: len(mount.cached_blocks()) >= 6, "the cache to be written")
    wait_until(lambda: mount.status()["readable_outputs"] == 3, "the mount to look at its jobs")


def _page(mount: Mount, root: Path) -> Iterator[str]:
    copy = str(root / "copy")
    mount.good(CASFS, "restore", VAULT, copy, "--include", "2019/s*", "-y")
    yield "# Screens\n"
    yield "What commands show on a terminal. `scripts/screens` makes this page, with an emulator."
    for title, arguments in (
        ("A plan", ("request", VAULT, "--all", "-n")),
        ("Jobs", ("jobs", VAULT)),
        ("Archives", ("ls", VAULT, "2019")),
        ("A mount", ("status", str(mount.mountpoint))),
        ("A restore", ("status", copy)),
        ("The live view", ("top", "--once", str(mount.mountpoint), copy)),
        ("A report", ("report", copy)),
    ):
        shown = on_terminal([CASFS, *arguments], mount.environment, COLUMNS)
        assert shown.status == 0, shown.text
        command = _tidy(" ".join(["casfs", *arguments]), mount, root)
        text = _tidy(shown.text, mount, root)
        yield f"\n## {title}\n\n    $ {command}"
        yield "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _tidy(text: str, mount: Mount, root: Path) -> str:
    """Replace paths and addresses of this machine by such as a user has, of the same width."""
    replaced = {
        str(mount.cache / "casfs"): "/data/casfs-cache",
        str(mount.mountpoint): "~/photos",
        str(root): "~",
        mount.environment["CASFS_ENDPOINT"]: "https://cas.ap-chengdu.myqcloud.com",
    }
    for ours, theirs in replaced.items():
        width = len(ours)
        text = re.sub(rf"{re.escape(ours)}(?=  )", theirs.ljust(width), text)
        text = text.replace(ours, theirs)
    return text.strip("\n")
