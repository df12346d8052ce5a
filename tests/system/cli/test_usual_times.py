"""How long jobs usually take is said alike wherever it is said."""

import json
from datetime import datetime, timedelta

from tests.support.restores import VAULT, restores


def test_a_job_of_the_service_with_one_speed_is_said_to_take_four_hours_everywhere(tmp_path):
    """Aliyun OAS: from minutes to 4 hours; its jobs tell no tier."""
    with restores(tmp_path, {"a.bin": 5}, "--job-seconds", "36000", dialect="oas") as vault:
        status, plan, error = vault.run("request", VAULT, "--all", "-y")
        assert (status, error) == (0, "")
        assert "up to 4 h" in plan
        [(created,)] = vault.emulator.sql("SELECT created FROM jobs WHERE kind = 'archive'")
        ready = datetime.fromtimestamp(created).astimezone() + timedelta(hours=4)

        def times(name: str, *command: str) -> list[datetime]:
            _, printed, _ = vault.run(*command, "--json")
            found = (
                printed.splitlines()
                if printed.startswith("{")
                else [json.dumps(json.loads(printed)[0])]
            )
            return [
                datetime.fromisoformat(one[name]) for one in map(json.loads, found) if one.get(name)
            ]

        ls, running = ("ls", VAULT, "--json"), ("wait", VAULT, "--timeout", "1s")
        said = [
            *times("ready", *ls),
            *times("eta", *running),
            *times("ready", *ls),
            *times("ready", "restore", VAULT, str(tmp_path / "to"), "-n"),
        ]
        assert len(said) >= 4
        assert all(abs(one - ready) < timedelta(seconds=5) for one in said), (ready, said)
        clock = f"{ready:%H:%M}"
        assert f"by {ready:%Y-%m-%d} {clock}" in vault.run("jobs", VAULT)[1]
        assert clock in vault.run("cat", VAULT, "a.bin")[2]
