"""What the tests with moto share: sizes of archives, mounts, tools that restore."""

import filecmp
import os
from contextlib import AbstractContextManager
from pathlib import Path

from tests.support.emulator.amazon import REGION
from tests.support.mounting import Mount, mounted
from tests.system.moto.serving import MIB, VAULT, Amazon

LONG = 64 * MIB + 3
SIZES = {
    "one": 1,
    "under": MIB - 1,
    "block": MIB,
    "over": MIB + 1,
    "seven": 15 * MIB // 2,
    "sixty-four": LONG,
}
TOOLS = ("cp", "tar", "rsync")
SLACK = 32 * MIB
"""What may be on its way when connections are closed: an output's size is asked for by one GET, and
some more may be sent before the first answer shows that ranges are ignored."""


def mount_of(url: str, home: Path) -> AbstractContextManager[Mount]:
    return mounted(home, url, CASFS_DIALECT="glacier", CASFS_REGION=REGION)


def restore(mount: Mount, tool: str, target: Path) -> tuple[int, str]:
    """Restore all jobs into `target`; returns status and standard error of the tool."""
    jobs = mount.path("vaults", VAULT, "jobs")
    target.mkdir(exist_ok=True)
    if tool == "cp":
        done = mount.run("cp", "-r", "-T", jobs, target)
    elif tool == "rsync":
        done = mount.run("rsync", "-a", f"{jobs}/", target)
    else:
        archive = target.with_suffix(".tar")
        done = mount.run("tar", "-C", jobs, "-cf", archive, ".")
        if done.returncode == 0:
            done = mount.run("tar", "-C", target, "-xf", archive)
    return done.returncode, done.stderr


def assert_identical(target: Path, files: Path) -> None:
    """Compare what was restored with a folder of what each job brings."""
    assert sorted(os.listdir(target)) == sorted(os.listdir(files))
    for file in files.iterdir():
        assert filecmp.cmp(file, target / file.name / "output", shallow=False), file.name


def long_output(service: Amazon, mount: Mount) -> Path:
    """The output of `LONG` bytes."""
    (job,) = [job for job, data in service.files.items() if len(data) == LONG]
    return mount.job(VAULT, job, "output")
