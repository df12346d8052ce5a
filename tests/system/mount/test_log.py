"""The log of a mount and the files that it makes: what a service says can be shown, safely."""

import json
import re

from tests.support.mounting import mounted
from tests.support.running_origin import RunningOrigin

EVIL = "x\x1b[2J\x1b]0;title\x07\r\n2026-11-28 00:00:00,000 ERROR forged\u2028\u202egpj\x9b2J\x7f"
LETTERS = "文書 e\u0301té"
VAULT = f"v {LETTERS}\x1b[2J\u202e"
OUR_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ casfs[\w.]*: .*|    .*")


def test_nothing_of_the_services_is_in_the_log_as_it_is(tmp_path):
    jobs = [{"JobId": "j\x1b[2J\u202e", "@size": 3000, "JobDescription": EVIL}]
    refusal = {"code": "AccessDeniedException", "message": f"{LETTERS}{EVIL}", "type": "Client"}
    headers = {"x-cas-requestid": "id\x1b[2J\x9b"}
    with RunningOrigin(tmp_path / "origin", {VAULT: {"jobs": jobs}}) as origin:
        origin.misbehave(
            {"when": {"call": "output"}, "do": {"status": 403, "json": refusal, "headers": headers}}
        )
        with mounted(tmp_path / "home", origin.url, CASFS_ATTEMPTS=1, CASFS_DEADLINE=2) as mount:
            (vault,) = mount.list("vaults")
            (job,) = mount.list("vaults", vault, "jobs")
            raw = mount.job(vault, job, "job.json").read_bytes()
            assert mount.errno(mount.job(vault, job, "output").read_bytes)
        lines = mount.log.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines), lines
    assert all(OUR_LINE.fullmatch(line) for line in lines), lines
    assert [line for line in lines if f"{LETTERS}x\\x1b[2J" in line]
    # The same for those who print the description of a job; to programs it says what it said.
    assert all(line.isprintable() for line in raw.decode().split("\n"))
    assert json.loads(raw)["JobDescription"] == EVIL


def test_files_of_every_kind_are_read_without_an_error(tmp_path):
    with (
        RunningOrigin(tmp_path / "origin", {"v": {"jobs": [{"JobId": "j", "@size": 5}]}}) as origin,
        mounted(tmp_path / "home", origin.url) as mount,
    ):
        for path in ("job.json", "output", "../../vault.json", "../../../../.casfs/status.json"):
            for _ in range(2):
                assert mount.read("vaults", "v", "jobs", "j", path)
        # After it has ended, all files have been closed.
        mount.umount()
        assert " ERROR " not in mount.log
