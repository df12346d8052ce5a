"""`casfs request` against the emulator: the plan, the question, and exactly one job for each."""

import os
import re
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing

import pytest

from tests.support.command import CASFS
from tests.support.emulator.running import KEYS, running_emulator
from tests.support.schemas import checked_lines
from tests.support.terminal import on_terminal
from tests.system.cli.conftest import command_in

HOUR = 3600
MIB = 1 << 20


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """An emulator whose jobs run for hours, unless a test ends them."""
    root = tmp_path_factory.mktemp("slow")
    options = ("--tier-seconds", f"standard={4 * HOUR},bulk={8 * HOUR},inventory=0")
    with running_emulator(root, *options) as running:
        yield running


@pytest.fixture
def name(request):
    """The name of a vault of a test's own."""
    return re.sub(r"[^\w]+", "-", request.node.name)[:100]


@pytest.fixture
def casfs(slow, tmp_path):
    return command_in(tmp_path, slow.url)


@pytest.fixture
def vault(slow, name):
    """A vault with three archives, which its inventory lists."""
    return filled(slow, name, 3)


def filled(emulator, vault, count, data=b"x"):
    emulator.create_vault(vault)
    for number in range(count):
        emulator.upload(vault, data + bytes([number]), f"file-{number}.bin")
    emulator.start(vault, Type="inventory-retrieval")
    return vault


def archives(emulator, vault):
    rows = emulator.sql("SELECT id FROM archives WHERE vault = ? ORDER BY description", vault)
    return [archive for (archive,) in rows]


def jobs(emulator, vault):
    """How many jobs each archive has."""
    rows = emulator.sql("SELECT archive FROM jobs WHERE vault = ? AND kind = 'archive'", vault)
    return Counter(archive for (archive,) in rows)


def once(emulator, vault):
    return Counter(dict.fromkeys(archives(emulator, vault), 1))


def messages(done, message_type):
    found = checked_lines(done.stdout)
    return [line for line in found if line["message_type"] == message_type]


def fails(done, status, *texts):
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == status, said
    for text in texts:
        assert text in said


def is_done(done):
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_the_plan_comes_first_and_costs_nothing(casfs, slow, vault):
    done = casfs("request", vault, "--all", "-n")
    is_done(done)
    text = done.stdout.decode()
    assert text.startswith(f"{vault}: 3 archives, 6 B\n")
    assert "to be requested          3" in text
    assert "estimate (prices of 2026-11-20)   retrieval under 0.01 CNY   traffic" in text
    assert "127.0.0.1" in text
    assert "2^30" in text
    assert jobs(slow, vault) == Counter()


def test_without_consent_nothing_is_sent(casfs, slow, vault):
    fails(casfs("request", vault, "--all", stdin=b"y\n"), 4, "nothing was sent", "-y")
    assert jobs(slow, vault) == Counter()


def test_each_archive_is_requested_once_however_often_the_command_runs(casfs, slow, vault):
    is_done(casfs("request", vault, "--all", "-y"))
    assert jobs(slow, vault) == once(slow, vault)
    done = casfs("request", vault, "--all", "-y", "--json")
    is_done(done)
    (plan,) = messages(done, "plan")
    assert (plan["running"]["files"], plan["requested"]["files"], plan["jobs"]) == (3, 0, 0)
    assert jobs(slow, vault) == once(slow, vault)
    (description,) = {job["JobDescription"][:6] for job in slow.jobs(vault) if job["ArchiveId"]}
    assert description == "casfs-"


def test_what_the_list_does_not_show_is_known_without_the_cache(tmp_path):
    with running_emulator(tmp_path / "late", "--job-seconds", "3600") as late:
        vault = filled(late, "v", 3)
        late.sql("UPDATE jobs SET completed = ? WHERE kind = 'inventory'", time.time())
        casfs = command_in(tmp_path, late.url)
        is_done(casfs("request", vault, "--all", "-y"))
        # As if they were shown days late, and the cache had been removed meanwhile.
        hidden = late.sql("SELECT id, vault FROM jobs WHERE kind = 'archive'")
        late.sql("UPDATE jobs SET vault = 'elsewhere' WHERE kind = 'archive'")
        subprocess.run(["rm", "-r", tmp_path / "cache"], check=True)
        done = casfs("request", vault, "--all", "-y", "--json")
        is_done(done)
        assert messages(done, "plan")[0]["running"]["files"] == 3
        assert len(late.job_requests()) == len(hidden) + 1


@pytest.mark.parametrize("known_first", [True, False])
def test_an_archive_is_requested_once_whether_it_is_cataloged_or_not(
    casfs, slow, vault, tmp_path, known_first
):
    wanted = archives(slow, vault)
    (tmp_path / "ids").write_text("\n".join(wanted))
    command = ("request", vault, "--ids", str(tmp_path / "ids"), "-y", "--json")

    def request(known):
        subprocess.run(["rm", "-rf", tmp_path / "cache"], check=True)
        slow.sql("UPDATE jobs SET vault = 'late' WHERE vault IN (?, 'late')", vault)
        if known:
            slow.sql("UPDATE jobs SET vault = ? WHERE kind = 'inventory' AND vault = 'late'", vault)
            is_done(casfs("catalog", "refresh", vault))
        done = casfs(*command)
        is_done(done)
        (plan,) = messages(done, "plan")
        assert (plan["total_bytes"] is not None) is known
        return plan

    try:
        assert request(known_first)["jobs"] == len(wanted)
        plan = request(not known_first)
        assert (plan["running"]["files"], plan["jobs"]) == (len(wanted), 0)
    finally:
        slow.sql("DELETE FROM jobs WHERE vault = 'late'")


def test_patterns_paths_and_ids_select(casfs, slow, vault, tmp_path):
    first, second, third = archives(slow, vault)
    is_done(casfs("request", vault, "file-0.bin", "-y"))
    assert jobs(slow, vault) == Counter([first])
    (tmp_path / "ids").write_text(f"{third}\n\n{third}\n")
    is_done(casfs("request", vault, "--ids", str(tmp_path / "ids"), "-y"))
    assert jobs(slow, vault) == Counter([first, third])
    is_done(casfs("request", vault, "*-1.*", first, "-y"))
    assert jobs(slow, vault) == Counter([first, second, third])


def test_what_matches_nothing_is_said(casfs, slow, vault):
    fails(casfs("request", vault, "nothing*", "-y"), 1, "nothing*", "casfs ls")
    assert jobs(slow, vault) == Counter()


def test_a_vault_without_an_inventory_names_the_command_that_brings_one(casfs, slow, name):
    slow.create_vault(name)
    fails(casfs("request", name, "--all", "-y"), 1, f"casfs request {name} --inventory")


@pytest.mark.parametrize("arguments", [(), ("--all", "x"), ("--all", "--since", "2026-01-01")])
def test_what_is_wanted_must_be_clear(casfs, slow, arguments):
    slow.create_vault("clear") if not slow.call("GET", "/clear").ok else None
    assert casfs("request", "clear", *arguments, "-y").returncode == 2


def test_a_cap_of_zero_sends_nothing(casfs, slow, vault):
    fails(casfs("request", vault, "--all", "-y", "--max-cost", "0"), 4, "--max-cost 0")
    assert jobs(slow, vault) == Counter()


def test_a_cap_counts_what_was_requested_before(casfs, slow, vault):
    (plan,) = messages(casfs("request", vault, "--all", "-n", "--json"), "plan")
    total = plan["estimate"]["total"]
    is_done(casfs("request", vault, "--all", "-y", "--max-cost", f"{total}CNY"))
    # All of them fail, and would have to be paid for again.
    slow.sql("UPDATE jobs SET failure = 'no tape' WHERE vault = ? AND kind = 'archive'", vault)
    slow.sql("UPDATE jobs SET completed = ? WHERE vault = ?", time.time() - 1, vault)
    again = ("--rerequest", "yes", "--max-cost", f"{total}CNY")
    fails(casfs("request", vault, "--all", "-y", *again), 4, "what it has requested before")
    assert jobs(slow, vault) == once(slow, vault)


def test_a_cap_in_another_currency_is_not_converted(casfs, slow, vault):
    fails(casfs("request", vault, "--all", "-y", "--max-cost", "1000USD"), 4, "USD", "CNY")
    assert jobs(slow, vault) == Counter()


def test_a_failed_job_is_named_and_not_requested_again_by_itself(casfs, slow, vault):
    is_done(casfs("request", vault, "--all", "-y"))
    failed = archives(slow, vault)[1]
    slow.sql("UPDATE jobs SET failure = 'no tape', completed = 1 WHERE archive = ?", failed)
    slow.sql("UPDATE jobs SET completed = ? WHERE archive = ?", time.time() - 1, failed)
    fails(casfs("request", vault, "--all", "-y"), 4, failed, "no tape", "--rerequest yes")
    fails(casfs("request", vault, "file-1.bin", "-y"), 4, "--rerequest yes")
    assert jobs(slow, vault) == once(slow, vault)
    is_done(casfs("request", vault, "--all", "-y", "--rerequest", "yes"))
    assert jobs(slow, vault) == once(slow, vault) + Counter([failed])


def test_a_job_that_somebody_else_started_is_adopted_on_any_page(casfs, slow, vault):
    first, second, _ = archives(slow, vault)
    slow.retrieve(vault, second)
    row = slow.sql("SELECT * FROM jobs WHERE archive = ?", second)[0]
    columns = [column[1] for column in slow.sql("PRAGMA table_info(jobs)")]
    other = {**dict(zip(columns, row, strict=True)), "archive": first, "vault": vault}
    marks = ", ".join("?" * len(columns))
    rows = [tuple({**other, "id": f"0-{number:05}"}.values()) for number in range(1200)]
    slow.sql_many(f"INSERT INTO jobs VALUES ({marks})", rows)
    done = casfs("request", vault, "--all", "-y", "--json")
    is_done(done)
    assert messages(done, "plan")[0]["running"]["files"] == 2
    assert jobs(slow, vault)[second] == 1


def test_a_range_is_part_of_what_is_running(casfs, slow, name):
    vault = filled(slow, name, 1, bytes(3 * MIB))
    (archive,) = archives(slow, vault)
    fails(casfs("request", vault, "--all", "--range", "0-100", "-y"), 2, str(MIB - 1))
    is_done(casfs("request", vault, "--all", "--range", f"{MIB}-{2 * MIB - 1}", "-y"))
    assert slow.sql("SELECT first, last FROM jobs WHERE archive = ?", archive) == [
        (MIB, 2 * MIB - 1)
    ]
    is_done(casfs("request", vault, "--all", "-y"))
    assert jobs(slow, vault) == Counter({archive: 2})
    is_done(casfs("request", vault, "--all", "--range", f"0-{MIB - 1}", "-y"))
    assert jobs(slow, vault) == Counter({archive: 2})


def test_large_archives_are_split_at_subtrees(casfs, slow, name):
    vault = filled(slow, name, 1, bytes(5 * MIB))
    is_done(casfs("request", vault, "--all", "--split", "2MiB", "-y"))
    found = slow.sql(
        "SELECT first, last, tree_hash FROM jobs WHERE archive NOT NULL AND vault = ?", vault
    )
    assert sorted((first, last) for first, last, _ in found) == [
        (0, 2 * MIB - 1),
        (2 * MIB, 4 * MIB - 1),
        (4 * MIB, 5 * MIB),
    ]
    assert all(tree_hash for _, _, tree_hash in found)


def test_the_pace_limits_what_is_requested_at_once(casfs, slow, vault):
    done = casfs("request", vault, "--all", "-y", "--pace", "1/h", "--order", "name")
    # A wave is what can be fetched in 12 hours: 12 bytes, and all three are that large.
    is_done(done)
    assert b"1 wave" in done.stdout


def test_a_wave_is_one_of_several(casfs, slow, name):
    vault = filled(slow, name, 3, bytes(11))
    done = casfs("request", vault, "--all", "-y", "--pace", "2/h")
    fails(done, 75, "run the same command again", "2 waves")
    assert jobs(slow, vault).total() == 2
    fails(casfs("request", vault, "--all", "-y", "--pace", "2/h"), 75)
    assert jobs(slow, vault).total() == 2


def test_a_file_in_place_of_the_record_stops_everything(casfs, slow, vault, tmp_path):
    is_done(casfs("request", vault, "file-0.bin", "-y"))
    ledger = tmp_path / "state" / "requests.sqlite"
    at = ("--state-dir", str(tmp_path / "state"))
    is_done(casfs("request", vault, "file-1.bin", "-y", *at))
    ledger.write_bytes(b"something else" * 1000)
    fails(casfs("request", vault, "--all", "-y", *at), 4, str(ledger))
    assert jobs(slow, vault).total() == 2
    assert ledger.read_bytes() == b"something else" * 1000


def test_clearing_the_cache_leaves_the_record_alone(casfs, slow, vault, tmp_path):
    is_done(casfs("request", vault, "file-0.bin", "-y"))
    (ledger,) = tmp_path.rglob("requests.sqlite")
    is_done(casfs("cache", "clear", "-y"))
    with closing(sqlite3.connect(ledger)) as rows:
        assert rows.execute("SELECT count(*) FROM requests").fetchall() == [(1,)]


def test_json_lines_have_what_all_of_them_have(casfs, slow, vault):
    done = casfs("request", vault, "--all", "-y", "--json")
    is_done(done)
    lines = checked_lines(done.stdout)
    assert [line["message_type"] for line in lines] == ["plan", *["request"] * 3, "summary"]
    assert {line["vault"] for line in lines} == {vault}
    assert len({line["run"] for line in lines}) == 1
    assert {line["state"] for line in messages(done, "request")} == {"started"}
    assert messages(done, "summary")[0]["started"] == 3


def test_the_intent_is_on_the_disk_before_each_request(slow, casfs, vault, tmp_path):
    casfs("request", vault, "--all", "-n")
    trace = tmp_path / "trace"
    traced = [
        "strace",
        "-f",
        "-y",
        "-s",
        "200",
        "-o",
        str(trace),
        "-e",
        "trace=fdatasync,sendto,write",
    ]
    environment = {"CASFS_ENDPOINT": slow.url, "CASFS_CACHE_DIR": str(tmp_path / "cache")}
    environment |= {"HOME": str(tmp_path), **KEYS}
    command = [CASFS, "request", vault, "--all", "-y"]
    done = subprocess.run([*traced, *command], env=environment, capture_output=True, timeout=120)
    is_done(done)
    synced = posts = 0
    for line in trace.read_text(errors="replace").splitlines():
        if "fdatasync" in line and "requests.sqlite-wal" in line and "resumed" not in line:
            synced += 1
        elif '"POST ' in line:
            posts += 1
            # Each request has a commit of its own, and the run and the process were recorded.
            assert synced >= posts + 2
    assert posts == 3


@pytest.mark.parametrize(("answer", "status"), [(b"n\n", 4), (b"y\n", 0)])
def test_a_terminal_is_asked_once_the_plan_was_shown(slow, casfs, vault, tmp_path, answer, status):
    casfs("request", vault, "--all", "-n")
    environment = {"CASFS_ENDPOINT": slow.url, "HOME": str(tmp_path), **KEYS}
    environment["CASFS_CACHE_DIR"] = str(tmp_path / "cache")
    question = "start 3 jobs? They cannot be canceled."
    shown = on_terminal(
        [CASFS, "request", vault, "--all"],
        environment,
        columns=200,
        keys=lambda text: answer if question in text else None,
    )
    assert shown.status == status
    assert "to be requested" in shown.text.partition(question)[0]
    assert jobs(slow, vault).total() == (3 if status == 0 else 0)


def test_ids_that_are_not_text_are_refused_in_any_locale(slow, tmp_path):
    environment = {**os.environ, **KEYS, "CASFS_ENDPOINT": slow.url, "LC_ALL": "C"}
    done = subprocess.run(
        [CASFS, "request", "some", "--ids", "-", "-n", "--state-dir", str(tmp_path / "state")],
        env={**environment, "CASFS_CACHE_DIR": str(tmp_path / "cache")},
        input=b"\xff\n",
        capture_output=True,
        check=False,
    )
    fails(done, 2, "--ids - cannot be read: not UTF-8")
