"""Files that are made when they are opened can be mapped, and keep their content meanwhile."""

import errno
import json
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.served import VAULT, Served


@pytest.fixture(params=["fuse3", "fuse"])
def mount(service: Served, home: Path, request: pytest.FixtureRequest) -> Iterator[Mount]:
    library = {"FUSE_LIBRARY_NAME": request.param, "CASFS_LISTING_TTL": "0"}
    with mounted(home, service.url, **library) as running:
        yield running
        running.umount()
    assert " ERROR " not in running.log


def mapped(path: Path) -> bytes:
    """The bytes of a file, through a mapping that is shared."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ) as content:
            return content[:]


def test_all_json_files_can_be_mapped(service: Served, mount: Mount) -> None:
    job = service.jobs["odd"]
    for parts in (("vaults", VAULT, "vault.json"), ("vaults", VAULT, "jobs", job, "job.json")):
        assert mount.ask(mapped, mount.path(*parts)) == mount.read(*parts)
    for name in ("status.json", "metrics"):
        assert mount.ask(mapped, mount.path(".casfs", name)).endswith(b" \n")


def changed_while_mapped(job_json: Path, change: "object") -> dict[str, object]:
    """What programs see of a file that changes while one of them has it mapped."""
    seen: dict[str, object] = {}
    with job_json.open("rb") as file:
        before = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
        first = before[:]
        change()  # type: ignore[operator]
        # Another program gets what there is now, and cannot map what has another size.
        seen["fresh"] = job_json.read_bytes()
        with job_json.open("rb") as other:
            try:
                mmap.mmap(other.fileno(), len(first), mmap.MAP_SHARED, mmap.PROT_READ).close()
            except OSError as error:
                seen["errno"] = error.errno
            seen["read"] = other.read()
        before.madvise(mmap.MADV_DONTNEED)
        seen["same"] = before[:] == first and os.pread(file.fileno(), 1 << 20, 0) == first
        before.close()
    seen["later"] = mapped(job_json)
    return seen


def test_what_is_mapped_does_not_change(service: Served, mount: Mount) -> None:
    job = service.jobs["small"]
    service.run_on("small")
    try:
        path = mount.path("vaults", VAULT, "jobs", job, "job.json")
        seen = mount.ask(changed_while_mapped, path, lambda: service.emulator.finish(job))
    finally:
        service.emulator.finish(job)
    assert seen["same"] is True
    fresh = seen["fresh"]
    assert isinstance(fresh, bytes)
    assert json.loads(fresh)["StatusCode"] == "Succeeded"
    assert seen["read"] == seen["later"] == fresh
    assert seen["errno"] == errno.ENODEV
