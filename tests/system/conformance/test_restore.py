"""Three services at once, each through a mount of its own, restore the same files."""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from casfs.emulator.dialects.registry import DIALECTS
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import Mount, mounted

FILES = 120
dice = random.Random(120)
SIZES = {
    f"file {number}": dice.choice([1, 700, 4096, 4097, 65_537, 200_000, 1 << 20, (1 << 20) + 1])
    for number in range(FILES)
}


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Service, Mount]]]:
    with ExitStack() as stack:
        made = []
        for dialect in DIALECTS:
            root = tmp_path_factory.mktemp(dialect)
            service = stack.enter_context(serving(dialect, root / "service", SIZES))
            settings = {**service.settings, "CASFS_LISTING_TTL": "60"}
            mount = stack.enter_context(mounted(root / "home", service.emulator.url, **settings))
            made.append((service, mount))
        yield made


def rsync(mount: Mount, target: Path) -> None:
    # The time of a directory is that of the newest job in it, once its jobs were listed.
    os.listdir(mount.path("vaults", VAULT, "jobs"))
    mount.good("rsync", "-a", f"{mount.path('vaults', VAULT, 'jobs')}/", target)


def test_rsync_restores_the_same_files_from_all_at_once(
    mounts: list[tuple[Service, Mount]], tmp_path: Path
) -> None:
    ends = [mount.begin(rsync, mount, tmp_path / service.dialect) for service, mount in mounts]
    for end in ends:
        end()
    for service, mount in mounts:
        restored = tmp_path / service.dialect
        assert len(list(restored.iterdir())) == FILES
        for name, data in service.files.items():
            assert (restored / service.jobs[name] / "output").read_bytes() == data, name
        again = mount.good(
            *("rsync", "-ac", "--itemize-changes"),
            f"{mount.path('vaults', VAULT, 'jobs')}/",
            restored,
        )
        assert again == ""
        # Each byte came over the network once.
        answers = service.emulator.outputs()
        assert sum(entry.bytes for entry in answers) == sum(SIZES.values())
