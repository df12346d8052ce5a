"""What goes wrong at a service: right bytes or the right errno, whatever the dialect."""

import errno
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.emulated_service import FILE, VAULT, Service, serving
from tests.support.mounting import Mount
from tests.support.processes import wait_until
from tests.support.served import MIB
from tests.system.conformance.conftest import Opener, Troubled
from tests.system.conformance.doors import Door, client_of

JOBS = f"vaults/{VAULT}/jobs"


def errno_of(function: Callable[..., object], *arguments: object) -> int | None:
    """The errno that a call ends with; None if it succeeds."""
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    return None


# what a test changes in the state of the shared service, in a job of its own


@pytest.fixture
def job(service: Service, request: pytest.FixtureRequest) -> str:
    """A job for `seven` that is this test's alone."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    # Another archive as well: blocks are found by archive, and nothing must be cached.
    archive = service.copy_archive("seven", f"archive-of-{name}")
    return service.add_job("seven", name, archive=archive)


def test_a_job_that_turns_out_to_be_running(service: Service, door: Door, job: str) -> None:
    path = f"{JOBS}/{job}/output"
    assert door.size(path) == len(service.files["seven"])
    service.change_job(job, completed=time.time() + 3600)
    assert errno_of(door.read_at, path, 4096, 0) == errno.EAGAIN
    service.change_job(job, completed=time.time())
    assert door.read_at(path, 4096, 0) == service.files["seven"][:4096]


def test_an_expired_job_disappears(service: Service, door: Door, job: str) -> None:
    assert job in door.list(JOBS)
    service.change_job(job, created=1, completed=1)
    assert job not in door.list(JOBS)
    assert errno_of(door.list, f"{JOBS}/{job}") == errno.ENOENT


def test_an_expired_output_is_read_from_the_cache_as_far_as_it_is_there(
    service: Service, door: Door, job: str
) -> None:
    path, data = f"{JOBS}/{job}/output", service.files["seven"]
    assert door.read_at(path, 4096, 5 * MIB) == data[5 * MIB : 5 * MIB + 4096]
    service.change_job(job, created=1, completed=1)
    assert errno_of(door.read_at, path, 4096, 2 * MIB) == errno.ESTALE
    assert door.read_at(path, 4000, 5 * MIB + 7) == data[5 * MIB + 7 : 5 * MIB + 4007]


def test_an_expired_output_that_is_whole_stays(service: Service, door: Door, job: str) -> None:
    path = f"{JOBS}/{job}/output"
    assert door.read(path) == service.files["seven"]
    size = str(len(service.files["seven"]))
    wait_until(lambda: door.attribute(path, "cached") == size, "the last block to be kept")
    service.change_job(job, created=1, completed=1)
    assert job in door.list(JOBS)
    assert b'"Retained": true' in door.read(f"{JOBS}/{job}/job.json")
    assert door.read(path) == service.files["seven"]


def test_the_vault_of_another_account(service: Service, door: Door) -> None:
    service.add_vault("foreign", owner="999999999999")
    assert "foreign" not in door.list("vaults")
    assert errno_of(door.list, "vaults/foreign/jobs") == errno.ENOENT


def test_a_vault_that_is_taken_away_from_us(service: Service, door: Door, job: str) -> None:
    service.add_vault("lost")
    service.change_job(job, vault="lost")
    path = f"vaults/lost/jobs/{job}/output"
    assert door.size(path) == len(service.files["seven"])
    service.emulator.sql("UPDATE vaults SET owner = '999999999999' WHERE name = 'lost'")
    assert errno_of(door.read_at, path, 1, 0) == errno.EACCES
    service.emulator.sql("UPDATE vaults SET owner = NULL WHERE name = 'lost'")


def test_a_hash_of_the_job_that_is_not_that_of_its_bytes(
    service: Service, door: Door, job: str
) -> None:
    (digest,) = service.emulator.sql("SELECT tree_hash FROM jobs WHERE id = ?", job)[0]
    service.change_job(job, tree_hash=digest[:-1] + bytes([digest[-1] ^ 1]))
    path = f"{JOBS}/{job}/output"
    assert errno_of(door.read, path) == errno.EIO
    assert door.attribute(path, "verified") == "no"


def test_an_archive_that_rotted_at_the_service_is_refused_where_it_did(
    service: Service, door: Door, job: str
) -> None:
    service.spoil(f"archive-of-{job}", 3 * MIB)
    path, data = f"{JOBS}/{job}/output", service.files["seven"]
    assert errno_of(door.read_at, path, 1, 3 * MIB) == errno.EIO
    assert door.read_at(path, 4, 5 * MIB) == data[5 * MIB : 5 * MIB + 4]


# keys and accounts that are refused


@pytest.mark.parametrize(
    "wrong",
    [
        {"CASFS_SECRET_ACCESS_KEY": "another"},
        {"CASFS_ACCESS_KEY_ID": "AKIDanother"},
        {"CASFS_ACCOUNT": "999999999999"},
    ],
    ids=["secret", "key", "account"],
)
def test_a_refused_key_or_account_is_reported_by_the_mount_in_one_line(
    service: Service, tmp_path: Path, wrong: dict[str, str]
) -> None:
    if service.dialect == "oas" and "CASFS_ACCOUNT" in wrong:
        return  # no request of OAS names an account
    client = client_of(service, tmp_path / "cache", **wrong)
    try:
        assert errno_of(client.check) == errno.EACCES
    finally:
        client.close()
    settings = {**service.settings, **wrong}
    mount = Mount(tmp_path / "home", service.emulator.url, settings)
    try:
        done = mount.start()
        assert done.returncode == 1
        assert re.fullmatch(r"casfs: .*check (the keys|what the key is allowed).*\n", done.stderr)
        assert "another" not in done.stderr.replace("AKIDanother", "")
    finally:
        mount.remove()


# services that go wrong, each for all tests of a dialect that change nothing


def faults(*names: str) -> list[str]:
    return [part for name in names for part in ("--fault", name)]


def test_throttling_is_waited_out(troubled: Troubled, open_door: Opener, tmp_path: Path) -> None:
    service = troubled(*faults("throttle=1,2"))
    with open_door(service, tmp_path, CASFS_ATTEMPTS="30") as door:
        assert door.read(service.output("file")) == service.files["file"]
        assert door.attribute(service.output("file"), "verified") == "yes"
    assert [entry for entry in service.emulator.entries() if entry.fault == "throttle"]


@pytest.mark.parametrize("fault", ["wrong-hash", "wrong-byte"])
def test_answers_that_are_always_wrong_are_an_error_and_never_bytes(
    troubled: Troubled, open_door: Opener, tmp_path: Path, fault: str
) -> None:
    service = troubled(*faults(f"{fault}@output=1"))
    with open_door(service, tmp_path, CASFS_ATTEMPTS="2") as door:
        path = service.output("file")
        for offset in (0, 11 * MIB, 20 * MIB + 4):
            assert errno_of(door.read_at, path, 1, offset) == errno.EIO
        assert door.attribute(path, "verified") == "no"


def test_answers_without_a_hash_are_read_and_checked_as_a_whole(
    troubled: Troubled, open_door: Opener, tmp_path: Path
) -> None:
    service = troubled(*faults("missing-hash@output=1"))
    with open_door(service, tmp_path) as door:
        path, data = service.output("file"), service.files["file"]
        assert door.read_at(path, 100, 15 * MIB) == data[15 * MIB : 15 * MIB + 100]
        assert door.attribute(path, "verified") == "no"
        assert door.read(path) == data
        assert door.attribute(path, "verified") == "yes"


def test_wrong_bytes_without_a_hash_are_found_at_the_end(
    troubled: Troubled, open_door: Opener, tmp_path: Path
) -> None:
    service = troubled(*faults("missing-hash@output=1"))
    job = service.add_job("file", "rotten", archive=service.copy_archive("file", "rotten"))
    service.spoil("rotten", 3 * MIB)
    path = f"{JOBS}/{job}/output"
    with open_door(service, tmp_path, CASFS_ATTEMPTS="2") as door:
        for _ in range(2):
            assert errno_of(door.read, path) == errno.EIO
            assert door.attribute(path, "verified") == "no"


@pytest.mark.parametrize("hashes", [True, False], ids=["with hashes", "without"])
def test_a_service_that_knows_no_ranges_is_read_in_one_pass(
    troubled: Troubled, open_door: Opener, tmp_path: Path, hashes: bool
) -> None:
    missing = [] if hashes else ["missing-hash@output=1"]
    service = troubled(*faults("ignore-range@output=1", *missing))
    before = len(service.emulator.outputs())
    with open_door(service, tmp_path) as door:
        assert door.read(service.output("file")) == service.files["file"]
        assert door.attribute(service.output("file"), "verified") == "yes"
    answers = service.emulator.outputs()[before:]
    assert {entry.status for entry in answers} == {200}
    # Any that were sent before the first answer told are closed unread.
    assert sum(entry.bytes == len(service.files["file"]) for entry in answers) == 1


# services that are changed, each for one test


OTHER_ANSWERS = {
    "cas": [
        *("--range-alignment", "mib", "--marker", "exclusive", "--hash-on-inventory", "present"),
        *("--hash-of-running-job", "absent", "--hash-on-unaligned-range", "present"),
    ],
    "oas": [
        *("--content-range", "equals", "--marker", "exclusive", "--output-without-range", "206"),
        *("--hash-on-unaligned-range", "absent"),
    ],
    "glacier": [
        *("--range-alignment", "mib", "--marker", "inclusive", "--limit-form", "number"),
        *("--hash-of-running-job", "absent", "--hash-on-unaligned-range", "present"),
    ],
}


def test_other_answers_to_what_the_documentation_leaves_open(
    dialect: str, open_door: Opener, tmp_path: Path
) -> None:
    options = [
        *("--full-range", "200", "--unfinished-output", "404", "--expired-job", "described"),
        *("--hash-on-unaligned-job", "present"),
        *OTHER_ANSWERS[dialect],
    ]
    with serving(dialect, tmp_path / "service", FILE, *options) as service:
        for number in range(12):
            service.add_vault(f"vault-{number}")
        service.add_part("file", "part", MIB, 4 * MIB)
        with open_door(service, tmp_path / "door") as door:
            assert len(door.list("vaults")) == 13
            assert door.read(service.output("file")) == service.files["file"]
            assert door.read(f"{JOBS}/part/output") == service.files["file"][MIB : 4 * MIB]
            assert door.attribute(f"{JOBS}/part/output", "verified") == "yes"
            service.change_job("part", created=1, completed=1)
            assert door.read(f"{JOBS}/part/output") == service.files["file"][MIB : 4 * MIB]


def test_what_is_whole_is_read_after_a_restart_without_the_service(
    dialect: str, open_door: Opener, tmp_path: Path
) -> None:
    with serving(dialect, tmp_path / "service", FILE) as service:
        with open_door(service, tmp_path / "door") as door:
            assert door.read(service.output("file")) == service.files["file"]
            tree = {path: door.list(path) for path in ("vaults", f"vaults/{VAULT}", JOBS)}
        service.emulator.stop()
        settings = {"CASFS_ATTEMPTS": "1", "CASFS_CONNECT_TIMEOUT": "2"}
        with open_door(service, tmp_path / "door", **settings) as door:
            assert {path: door.list(path) for path in tree} == tree
            assert door.read(service.output("file")) == service.files["file"]
