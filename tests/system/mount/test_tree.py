"""What a user sees: the tree, sizes, times, inodes, states of jobs, and the mount's own files."""

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.served import VAULT, Served, served


def facts_of_tree(root: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, mtime and size of everything but the mount's own files."""
    found = {}
    for path in sorted(root.rglob("*")):
        if ".casfs" not in path.parts:
            facts = path.stat()
            found[str(path.relative_to(root))] = facts.st_ino, facts.st_mtime_ns, facts.st_size
    return found


def test_the_tree_is_as_described(service: Served, mount: Mount) -> None:
    found = set(mount.good("find", mount.mountpoint, "-printf", "%P\n").splitlines())
    expected = {"", ".casfs", ".casfs/status.json", ".casfs/metrics", "vaults", f"vaults/{VAULT}"}
    expected |= {f"vaults/{VAULT}/vault.json", f"vaults/{VAULT}/jobs"}
    # Without an inventory, archives have their ids alone.
    archives = f"vaults/{VAULT}/archives"
    ids = {service.emulator.describe(VAULT, job)["ArchiveId"] for job in service.jobs.values()}
    expected |= {archives, f"{archives}/by-id", *(f"{archives}/by-id/{one}" for one in ids)}
    for job in service.jobs.values():
        folder = f"vaults/{VAULT}/jobs/{job}"
        expected |= {folder, f"{folder}/job.json", f"{folder}/output"}
    assert found == expected


def test_bytes_and_sizes_are_exact(service: Served, mount: Mount) -> None:
    for name, data in service.files.items():
        assert mount.stat(*service.output(name)).st_size == len(data)
        assert mount.read(*service.output(name)) == data


def test_descriptions_are_those_of_the_service(service: Served, mount: Mount) -> None:
    for job in service.jobs.values():
        text = mount.read("vaults", VAULT, "jobs", job, "job.json")
        assert json.loads(text) == service.emulator.describe(VAULT, job)
        assert text.startswith(b'{\n  "')
        assert text.endswith(b"\n}\n")
        assert mount.stat("vaults", VAULT, "jobs", job, "job.json").st_size == len(text)
    described = service.emulator.call("GET", f"/{VAULT}").json()
    assert json.loads(mount.read("vaults", VAULT, "vault.json")) == described


def test_modes_owner_and_times(service: Served, mount: Mount) -> None:
    job = service.jobs["odd"]
    told = datetime.fromisoformat(service.emulator.describe(VAULT, job)["CompletionDate"])
    completed = round(told.timestamp() * 1000) * 10**6
    for file in ("output", "job.json"):
        facts = mount.stat("vaults", VAULT, "jobs", job, file)
        assert stat.S_IFMT(facts.st_mode) == stat.S_IFREG
        assert stat.S_IMODE(facts.st_mode) == 0o644
        assert (facts.st_uid, facts.st_gid) == (os.getuid(), os.getgid())
        assert facts.st_mtime_ns == completed
    for folder in ((), ("vaults",), ("vaults", VAULT), ("vaults", VAULT, "jobs", job)):
        assert mount.stat(*folder).st_mode == stat.S_IFDIR | 0o755


def test_inodes_and_times_are_the_same_after_a_remount(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        before = mount.ask(facts_of_tree, mount.mountpoint)
    # Another cache: nothing that an earlier mount knew may matter.
    with mounted(home / "other", service.url) as mount:
        after = mount.ask(facts_of_tree, mount.mountpoint)
    assert before == after
    inodes = [inode for inode, _, _ in before.values()]
    assert len(set(inodes)) == len(inodes) == 6 + len(service.jobs) * 4


def test_statfs(service: Served, mount: Mount) -> None:
    facts = mount.ask(os.statvfs, mount.mountpoint)
    assert facts.f_flag & os.ST_RDONLY
    assert (facts.f_bavail, facts.f_namemax) == (0, 255)
    assert mount.good("df", mount.mountpoint)


def test_the_mounts_own_files(service: Served, mount: Mount) -> None:
    data = mount.read(*service.output("small"))
    status = mount.status()
    assert (status["pid"], status["endpoint"]) == (mount.pid, service.url)
    assert status["counters"]["read_bytes"] >= len(data)
    text = mount.read(".casfs", "metrics").decode()
    assert re.search(r"^# TYPE casfs_read_bytes_total counter$", text, re.MULTILINE)
    assert re.search(r"^casfs_read_bytes_total \d", text, re.MULTILINE)
    # Whole also for a program that reads exactly the size it was told.
    told = mount.stat(".casfs", "status.json").st_size
    json.loads(mount.good("head", "-c", str(told), mount.path(".casfs", "status.json")))


def test_casfs_status_shows_the_same(service: Served, mount: Mount) -> None:
    casfs = mount._program[0]
    found = json.loads(mount.good(casfs, "status", "--json", mount.mountpoint))
    assert found["pid"] == mount.pid
    # Mounts of other tests may be dead, or hang.
    every = json.loads(mount.run(casfs, "status", "--json").stdout)
    assert str(mount.mountpoint) in [one["mountpoint"] for one in every]
    assert str(mount.pid) in mount.good(casfs, "status", mount.mountpoint)


@contextmanager
def jobs_in_every_state(root: Path) -> Iterator[tuple[Served, str]]:
    with served(root, {"done": 5, "running": 6, "expired": 7}) as service:
        service.run_on("running")
        service.emulator.expire(service.jobs["expired"])
        failing = service.emulator.start(VAULT, Type="pull-from-cos", Bucket="b", Object="o")
        yield service, failing


def test_running_failed_and_expired_jobs(tmp_path: Path, home: Path) -> None:
    with jobs_in_every_state(tmp_path) as (service, failed), mounted(home, service.url) as mount:
        jobs = service.jobs
        assert mount.list("vaults", VAULT, "jobs") == sorted(
            [jobs["done"], jobs["running"], failed]
        )
        assert mount.list("vaults", VAULT, "jobs", jobs["done"]) == ["job.json", "output"]
        for job, state in ((jobs["running"], "InProgress"), (failed, "Failed")):
            assert mount.list("vaults", VAULT, "jobs", job) == ["job.json"]
            told = json.loads(mount.read("vaults", VAULT, "jobs", job, "job.json"))
            assert told["StatusCode"] == state
        created = service.emulator.describe(VAULT, jobs["running"])["CreationDate"]
        facts = mount.stat("vaults", VAULT, "jobs", jobs["running"], "job.json")
        assert facts.st_mtime == datetime.fromisoformat(created).timestamp()


def test_an_output_appears_when_its_job_is_done(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 5}) as service:
        service.run_on("file")
        with mounted(home, service.url, CASFS_LISTING_TTL=0) as mount:
            folder = service.output("file")[:-1]
            assert mount.list(*folder) == ["job.json"]
            service.emulator.finish(service.jobs["file"])
            assert mount.list(*folder) == ["job.json", "output"]
            assert mount.read(*service.output("file")) == service.files["file"]


def test_a_listing_is_cached_for_its_time(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 5}) as service:
        with mounted(home, service.url, CASFS_LISTING_TTL=3600) as mount:
            first = mount.good("ls", "-lR", mount.path("vaults"))
            before = len(service.emulator.entries())
            service.emulator.create_vault("later")
            assert mount.good("ls", "-lR", mount.path("vaults")) == first
            # One entry more: that of the vault which the test has just made.
            assert len(service.emulator.entries()) == before + 1
        with mounted(home, service.url, CASFS_LISTING_TTL=0) as mount:
            assert mount.list("vaults") == ["later", VAULT]
            service.emulator.create_vault("latest")
            assert mount.list("vaults") == ["later", "latest", VAULT]


def test_many_jobs_are_all_listed(tmp_path: Path, home: Path) -> None:
    """More than fit on a page of the service."""
    with served(tmp_path, {"file": 5}) as service:
        archive = service.archives["file"]
        columns = (
            "vault, kind, created, completed, archive, first, last, tree_hash, tier, description"
        )
        service.emulator.sql(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)"
            f" INSERT INTO jobs (id, {columns}, item_limit)"
            f" SELECT printf('made%05d', i), {columns}, item_limit FROM jobs, n WHERE archive = ?",
            archive,
        )
        with mounted(home, service.url) as mount:
            folder = ("vaults", VAULT, "jobs")
            names = mount.list(*folder)
            assert len(names) == 2501
            assert set(names) >= {f"made{number:05d}" for number in range(1, 2501)}
            assert mount.read(*folder, "made02500", "output") == service.files["file"]


def test_a_vault_that_is_gone(tmp_path: Path, home: Path) -> None:
    with (
        served(tmp_path, {"file": 5}) as service,
        mounted(home, service.url, CASFS_LISTING_TTL=0) as mount,
    ):
        service.emulator.create_vault("passing")
        assert mount.list("vaults") == ["passing", VAULT]
        assert mount.list("vaults", "passing") == ["archives", "jobs", "vault.json"]
        assert mount.list("vaults", "passing", "jobs") == []
        assert service.emulator.call("DELETE", "/passing").ok
        assert mount.list("vaults") == [VAULT]
        # The kernel remembers for a second what it has looked up.
        gone = mount.path("vaults", "passing")
        wait_until(lambda: mount.errno(os.stat, gone) == errno.ENOENT, "the vault to go")
        assert mount.errno(os.listdir, gone / "jobs") == errno.ENOENT
