"""`casfs restore` against a real service: what is on disk, in the manifest, and on the bill."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from functools import partial

import pytest

from casfs.cli.show import size_text
from tests.support.emulator.running import running_anew
from tests.support.processes import wait_until
from tests.support.restores import MIB, VAULT, Restores, manifest, restores, sizes_of, states
from tests.support.schemas import checked_lines

SIZES = sizes_of(24)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    root = tmp_path_factory.mktemp("restores")
    with restores(root, SIZES, "--job-seconds", "0.5") as running:
        yield running


@pytest.fixture(scope="module")
def restored(vault, tmp_path_factory):
    """A directory to which everything was restored; tests put back what they change."""
    destination = tmp_path_factory.mktemp("restored") / "deep" / "dest"
    status, output, errors = vault.restore(destination, "-y", "--json")
    assert status == 0, output + errors
    return destination


def has_fetched(vault: Restores, size: int) -> bool:
    return vault.fetched() > size


def test_nothing_is_sent_or_written_without_consent(vault, tmp_path):
    before = vault.requested()
    for arguments, expected in ((["-n"], 0), ([], 4), (["-y", "--max-cost", "0"], 4)):
        status, output, errors = vault.restore(tmp_path / "dest", *arguments)
        assert status == expected, output + errors
        assert "to be requested" in output or before
    assert vault.requested() == before
    mine = tmp_path / "mine"
    mine.mkdir()
    for destination in (tmp_path / "deep" / "dest", mine):
        status, _, errors = vault.run("restore", f"{VAULT}:nosuch", str(destination), "-y")
        assert (status, "is not a cataloged archive" in errors) == (1, True)
    # Nothing is left, but for a directory that was there before.
    assert list(tmp_path.rglob("*")) == [mine]


def test_everything_is_restored_once_and_as_it_was_archived(vault, restored):
    vault.check(restored)
    assert vault.requested() == Counter(dict.fromkeys(vault.requested(), 1))
    assert len(vault.requested()) == len(SIZES)
    assert vault.fetched() == sum(SIZES.values())
    umask = os.umask(0)
    os.umask(umask)
    for path in restored.rglob("*"):
        if ".casfs-restore" not in path.parts:
            whole = 0o777 if path.is_dir() else 0o666
            assert path.stat().st_mode & 0o777 == whole & ~umask, path
    assert states(restored) == dict.fromkeys(SIZES, "verified")
    header, run, *lines, end = manifest(restored)
    assert (header["type"], header["version"], header["vault"]) == ("header", 1, VAULT)
    assert (run["type"], end["type"], end["status"]) == ("run", "end", 0)
    assert end["files_restored"] == end["total_files"] == len(SIZES)
    times = ["requested", "readable", "fetched", "verified"]
    assert all(sorted(line["times"], key=times.index) == times for line in lines)
    checked = subprocess.run(
        ["sha256sum", "-c", "--quiet", ".casfs-restore/SHA256SUMS"], cwd=restored, check=False
    )
    assert checked.returncode == 0


def test_another_run_or_directory_requests_and_fetches_only_what_is_new(vault, restored, tmp_path):
    requested, fetched = vault.requested(), vault.fetched()
    status, output, _ = vault.restore(restored)
    assert (status, f"skipped {len(SIZES)}" in output) == (0, True)
    assert (vault.requested(), vault.fetched()) == (requested, fetched)
    told = " ".join(vault.run("status", str(restored))[1].split())
    size = size_text(sum(SIZES.values()))
    assert f"files 24 of 24; 24 were there already, 0 failed bytes {size} of {size} (100 %)" in told
    assert "done, all files are there" in told
    # Nothing is requested, so nobody is asked; but traffic costs, and may be too dear.
    part = tmp_path / "part"
    status, _, errors = vault.run("restore", f"{VAULT}:3", str(part), "--max-cost", "0")
    assert (status, "more than --max-cost 0" in errors) == (4, True), errors
    assert (vault.requested(), vault.fetched()) == (requested, fetched)
    status, output, errors = vault.run("restore", f"{VAULT}:3", str(part), "--exclude", "*1.bin")
    names = sorted(path.relative_to(part).as_posix() for path in part.rglob("*.bin"))
    assert (status, names) == (0, sorted(n for n in SIZES if n[:2] == "3/" and n[-5:] != "1.bin"))
    assert "traffic of what can be read already" in output
    lists = tmp_path / "lists"
    lists.write_text("3\nlarge/0.bin\n")
    rest = tmp_path / "rest"
    arguments = ["--files-from", str(lists), "--except-manifest", str(part / ".casfs-restore")]
    status, _, errors = vault.restore(rest, *arguments)
    assert (status, "cannot be read" in errors) == (2, True)
    arguments[-1] += "/manifest.jsonl"
    status, output, errors = vault.restore(rest, *arguments)
    assert status == 0, output + errors
    found = {path.relative_to(rest).as_posix() for path in rest.rglob("*.bin")}
    assert found == {"large/0.bin", *(name for name in SIZES if name[:2] == "3/")} - set(names)
    assert f"skipped {len(names)}" in output
    assert vault.requested() == requested
    # As Windows writes it; what the catalog does not have is not passed over in silence.
    lists.write_bytes(b"3\r\nlarge/0.bin\r\nlarge/2.bin\r\n")
    status, output, errors = vault.restore(rest, *arguments)
    assert (status, f"skipped {len(found) + len(names)}" in output) == (1, True), output + errors
    assert "1 path of --files-from not in the catalog: large/2.bin" in errors


def test_files_that_are_there_are_replaced_as_wanted(vault, restored):
    one, other = restored / "0/0000.bin", restored / "1/0001.bin"
    before = one.stat()

    def change(newer: int) -> None:
        one.write_bytes(bytes(len(vault.files["0/0000.bin"])))
        os.utime(one, ns=(before.st_mtime_ns + newer, before.st_mtime_ns + newer))

    change(0)
    # Same size and time: only the content tells.
    assert "skipped 24" in vault.restore(restored)[1]
    assert "restored 1 " in vault.restore(restored, "--checksum")[1]
    for newer, arguments, expected, result in (
        (-(10**9), ["--overwrite", "never"], 0, "restored 0 "),
        (-(10**9), [], 0, "restored 1 "),
        (10**9, [], 0, "restored 0 "),
        (10**9, ["--checksum"], 1, "restored 0 "),
        (10**9, ["--overwrite", "always", "--include", "0/0000.bin"], 0, "restored 1 "),
    ):
        change(newer)
        status, output, errors = vault.restore(restored, *arguments)
        assert (status, result in output) == (expected, True), output + errors
    other.unlink()
    other.mkdir()
    status, output, errors = vault.restore(restored)
    assert (status, "a directory is there" in errors) == (1, True), output + errors
    assert "failed 1 of 24" in output
    other.rmdir()
    assert vault.restore(restored)[0] == 0
    vault.check(restored)
    assert Counter(states(restored).values()) == {"verified": 24}


def test_a_copy_that_was_cut_off_is_kept_and_named(vault, restored, tmp_path):
    """It is newer, as of `cp -r` from a mount; who deletes the vault now must know."""
    name = "large/0.bin"
    copy = tmp_path / name
    copy.parent.mkdir()
    copy.write_bytes(vault.files[name][:MIB])
    arguments = ["--include", name]
    for _ in range(2):
        status, output, errors = vault.restore(tmp_path, *arguments)
        assert (status, "restored 0 " in output) == (1, True), output + errors
        assert f"{name}: a newer file with other content is there, and is kept" in errors
        assert "1 were not restored, 1 of them because newer files that differ" in errors
        assert "kept " in output
    assert copy.stat().st_size == MIB
    assert states(tmp_path) == {name: "skipped"}
    assert "but not everything was restored" in vault.run("status", str(tmp_path))[1]
    assert "not restored: 1: a newer file with other" in vault.run("report", str(tmp_path))[1]
    status, output, errors = vault.restore(tmp_path, *arguments, "--json")
    plan, *_, summary, _ = checked_lines(output)
    assert (plan["files_kept"], summary["files_kept"], summary["files_skipped"]) == (1, 1, 1)
    assert vault.restore(tmp_path, *arguments, "--overwrite", "always")[0] == 0
    assert copy.read_bytes() == vault.files[name]


def test_what_others_write_meanwhile_is_kept(vault, restored, tmp_path, monkeypatch):
    new, old = tmp_path / "large/0.bin", tmp_path / "large/1.bin"
    old.parent.mkdir()
    old.write_text("older")
    os.utime(old, (1, 1))
    monkeypatch.setitem(vault.settings, "CASFS_BWLIMIT", "6M")
    with vault.start("restore", f"{VAULT}:large", str(tmp_path)) as process:
        wait_until(lambda: len(list(tmp_path.rglob("*.part"))) == 2, "both to be written")
        new.write_text("theirs")
        old.write_text("newer")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert (new.read_text(), old.read_text()) == ("theirs", "newer")
    assert "has appeared meanwhile" in errors
    assert "something newer" in errors


def test_a_directory_that_cannot_be_written_to_now_is_no_failure_of_archives(
    vault, restored, tmp_path
):
    with (restored / ".casfs-restore/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, _, errors = vault.restore(restored)
    assert (status, "another casfs is restoring" in errors) == (75, True), errors
    (tmp_path / "file").write_text("mine")
    status, _, errors = vault.restore(tmp_path / "file")
    assert (status, "cannot write" in errors) == (2, True), errors


def test_links_and_files_in_the_way_are_named_and_never_followed(vault, restored, tmp_path):
    destination, outside = tmp_path / "dest", tmp_path / "outside"
    outside.mkdir()
    destination.mkdir()
    (destination / "0").symlink_to(outside)
    (destination / "1").write_text("in the way")
    (destination / "2").mkdir()
    (destination / "2/0002.bin").symlink_to(outside / "planted")
    arguments = ["--include", "0", "--include", "1", "--include", "2"]
    status, output, errors = vault.restore(destination, *arguments)
    assert status == 1, output + errors
    assert "0 is a link where a directory must be" in errors
    assert "1 is a file where a directory must be" in errors
    assert "a link or a device is there" in errors
    assert list(outside.iterdir()) == []
    lines = [line for line in manifest(destination) if line["type"] == "archive"]
    assert Counter(line["state"] for line in lines) == {"failed": 7, "verified": 2}


def test_a_flipped_byte_is_found_without_an_account(vault, restored):
    path = restored / "large/1.bin"
    facts, data = path.stat(), bytearray(path.read_bytes())
    data[7 * MIB] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    code = (
        "import sys; from casfs.cli.restored_check import verify_restored as verify;"
        "sys.exit(verify(sys.argv[1], {'verbose': True, 'as_json': False}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(restored)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 3, found.stderr
    first, *rest = found.stdout.splitlines()
    assert first.startswith(f"comparing 24 files in {restored}")
    assert sum(line.endswith(": ok") for line in rest) == 23
    assert "large/1.bin: mismatch: its SHA-256" in found.stderr
    assert vault.restore(restored, "--checksum")[0] == 0
    vault.check(restored)


def test_an_interrupted_restore_goes_on_where_it_was(tmp_path):
    sizes = {"a/one.bin": 12 * MIB + 3, "b/two.bin": 9 * MIB, "c.bin": 5}
    options = ("--job-seconds", "0.2", "--rate", str(2 * MIB))
    with restores(tmp_path, sizes, *options) as vault, ExitStack() as running:
        vault.settings["CASFS_CONNECTIONS"] = "2"
        destination, emulator = tmp_path / "dest", vault.emulator
        for number, expected in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            fetched = vault.fetched()
            with vault.start("restore", VAULT, str(destination), "-y") as process:
                wait_until(partial(has_fetched, vault, fetched + MIB), "bytes to come")
                process.send_signal(number)
                _, errors = process.communicate(timeout=30)
            assert (process.returncode, "run the same command again" in errors) == (expected, True)
            assert not (destination / "a/one.bin").exists()
            parts = [path.name for path in destination.rglob(".casfs-*.part")]
            assert parts, "what was fetched is found again"
            emulator = running.enter_context(running_anew(emulator, *options))
        assert "interrupted; run the same command again" in vault.run("status", str(destination))[1]
        # What is allocated already needs no room once more.
        allocated = sum(path.stat().st_blocks * 512 for path in destination.rglob("*.part"))
        plan = json.loads(vault.restore(destination, "-n", "--json")[1].splitlines()[0])
        assert plan["bytes_allocated"] == allocated > 0
        status, output, errors = vault.restore(destination, "-y")
        assert status == 0, output + errors
        vault.check(destination)
        _, told, _ = vault.run("status", str(destination))
        assert "done, all files are there" in told
        assert "3 of 3" in told
        assert set(vault.requested().values()) == {1}
        # Each interruption costs what had not reached the disk, at most.
        assert vault.fetched() <= sum(sizes.values()) + 2 * 16 * MIB
