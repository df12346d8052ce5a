"""`cp` over lines that break every transfer, or bring less than a block within the deadline."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.running_origin import RunningOrigin, content
from tests.support.served import MIB


def copied(mount: Mount, tmp_path: Path) -> bytes:
    """The bytes of a copy of the one output that there is."""
    copy = tmp_path / "copy"
    done = mount.run("cp", mount.job("v", "big", "output"), copy)
    assert done.returncode == 0, done.stderr
    return copy.read_bytes()


@pytest.mark.parametrize("dialect", ["cas", "glacier"])
@pytest.mark.parametrize("do", [{"cut": 2_000_000}, {"reset": 700_000}])
def test_a_line_that_breaks_every_answer(
    tmp_path: Path, home: Path, do: dict[str, Any], dialect: str
) -> None:
    job = {"JobId": "big", "@size": 20 * MIB + 1, "@seed": 3}
    settings = {"CASFS_DIALECT": dialect, "CASFS_REGION": "us-east-1"}
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": [job]}}, dialect=dialect) as origin:
        origin.misbehave({"when": {"call": "output"}, "do": do})
        with mounted(home, origin.url, **settings) as mount:
            assert copied(mount, tmp_path) == content(job)
            assert mount.status()["counters"]["unchecked_blocks"] == 0


@pytest.mark.parametrize("do", [{"status": 501, "html": "<h1>no</h1>"}, {"drop": True}])
def test_a_line_that_breaks_to_a_server_that_gives_no_rest_of_a_block(
    tmp_path: Path, home: Path, do: dict[str, Any]
) -> None:
    job = {"JobId": "big", "@size": 3 * MIB, "@seed": 3}
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": [job]}}) as origin:
        broken = {"when": {"call": "output", "from": 0}, "times": 1, "do": {"cut": 700_000}}
        origin.misbehave(broken, {"when": {"call": "output", "from": 700_000}, "do": do})
        with mounted(home, origin.url, CASFS_DEADLINE=20) as mount:
            assert copied(mount, tmp_path) == content(job)
            assert mount.status()["counters"]["unchecked_blocks"] == 0


def test_a_server_that_gives_less_than_is_asked_for(tmp_path: Path, home: Path) -> None:
    job = {"JobId": "big", "@size": 20 * MIB + 1, "@seed": 3}
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": [job]}}) as origin:
        origin.misbehave({"when": {"call": "output"}, "do": {"most": 2_000_000}})
        with mounted(home, origin.url, CASFS_DEADLINE=20) as mount:
            assert copied(mount, tmp_path) == content(job)
            assert mount.status()["counters"]["unchecked_blocks"] == 0


def test_a_line_that_breaks_every_answer_to_an_output_of_unknown_size(
    tmp_path: Path, home: Path
) -> None:
    job = {"JobId": "big", "@size": 3 * MIB + 1, "@seed": 3}
    untold = job | {"ArchiveSizeInBytes": None, "RetrievalByteRange": None}
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": [untold]}}) as origin:
        origin.misbehave({"when": {"call": "output"}, "do": {"cut": 300_000}})
        with mounted(home, origin.url, CASFS_DEADLINE=20) as mount:
            assert copied(mount, tmp_path) == content(job)
            assert mount.status()["counters"]["unchecked_blocks"] == 0


def test_a_line_on_which_a_block_takes_twice_the_deadline(tmp_path: Path, home: Path) -> None:
    job = {"JobId": "big", "@size": 3 * MIB, "@seed": 3}
    with (
        RunningOrigin(tmp_path / "origin", {"v": {"jobs": [job]}}, pace=MIB // 6) as origin,
        mounted(home, origin.url, CASFS_DEADLINE=3) as mount,
    ):
        begun = mount.begin(copied, mount, tmp_path)
        assert mount.list("vaults", "v", "jobs") == ["big"]
        assert begun() == content(job)
