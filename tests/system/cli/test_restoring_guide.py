"""What docs/restoring.md and a report say, done step by step."""

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

from tests.support.disks import disk
from tests.support.restores import MIB, VAULT, restores, states

GUIDE = Path(__file__).parents[3] / "docs" / "restoring.md"
SIZES = {"2019/large.bin": 10 * MIB, "2019/other.bin": 6 * MIB + 1, "small.txt": 7}


def steps(heading: str, places: dict[str, Path]) -> list[list[str]]:
    """The commands below a heading, with other places for those that they name."""
    section = GUIDE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^ +\$ casfs (.+)$", section, re.MULTILINE)
    for shown, path in places.items():
        found = [line.replace(shown, str(path)) for line in found]
    return [shlex.split(line) for line in found]


def test_twenty_hours_left(tmp_path):
    with restores(tmp_path, SIZES, "--job-seconds", "0.2") as vault:
        assert vault.run("request", VAULT, "--all", "-y", "--wait")[0] == 0
        requested = vault.requested()
        with disk(tmp_path / "first", 12 * MIB) as first:
            second = tmp_path / "second"
            commands = steps("20 hours left", {"/mnt/first": first, "/mnt/second": second})
            statuses = [vault.run(*command)[0] for command in commands]
            # The first disk is full, and the second one takes the rest.
            assert statuses == [0, 75, 0, 0, 0, 0]
            written = [
                {path for path, state in states(place).items() if state == "verified"}
                for place in (first, second)
            ]
        assert written[0] | written[1] == set(SIZES)
        assert not written[0] & written[1]
        assert vault.requested() == requested


def test_evacuating_a_vault_and_its_report(tmp_path):
    with restores(tmp_path, SIZES, "--job-seconds", "0.2") as vault:
        destination = tmp_path / "new"
        commands = steps("Evacuating a vault", {"/mnt/new": destination})
        statuses = [vault.run(*command)[0] for command in commands]
        assert statuses == [0] * 7
        vault.check(destination)
        assert set(vault.requested().values()) == {1}
        page = tmp_path / "report.html"
        status, output, errors = vault.run("report", str(destination), "--html", str(page))
        assert status == 0, errors
        assert re.search(r"verified +3 +16\.0 MiB", output), output
        assert "the last run ended with exit status 0" in output
        facts = json.loads(vault.run("report", str(destination), "--json")[1])
        assert (facts["total_files"], facts["exit_status"]) == (3, 0)
        assert sum(state["files"] for state in facts["states"].values()) == 3
        text = page.read_text()
        charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        assert len(charts) == 2
        for chart in charts:
            ElementTree.fromstring(chart)
        # It needs nothing else, and nothing in it runs.
        assert not re.search(r"<script|<link|src=|@import|url\(", text)
        for word in ("requested", "readable", "fetched", "verified", "MB/s", "Not restored"):
            assert word in text
