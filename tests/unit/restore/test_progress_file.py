"""Where a restore stands, as another process reads it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from casfs.restore.progress_file import ProgressFile, restores


def test_a_reader_sees_the_facts_and_whether_the_process_runs(tmp_path: Path) -> None:
    state = tmp_path / "state"
    file = ProgressFile(state, "run-1", "photos", tmp_path / "dest")
    file.write({"phase": "fetching", "bytes_restored": 7}, cost="1.50", currency="CNY")
    (one,) = restores(state)
    wanted = {"vault": "photos", "run": "run-1", "phase": "fetching", "cost": "1.50"}
    assert wanted.items() <= one.items()
    assert (one["alive"], one["exit_status"]) == (True, None)
    assert one["destination"] == str(tmp_path / "dest")
    file.end(75)
    (ended,) = restores(state)
    assert ended["exit_status"] == 75
    assert ended["bytes_restored"] == 7
    (written,) = (state / "restores").iterdir()
    assert written.stat().st_mode & 0o777 == 0o600


def test_a_process_that_was_killed_is_not_alive_even_if_another_has_its_number(
    tmp_path: Path,
) -> None:
    code = (
        "import os, sys; from pathlib import Path; "
        "from casfs.restore.progress_file import ProgressFile; "
        "ProgressFile(Path(sys.argv[1]), 'r', 'v', Path('/d')).write({}); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "state"], check=False, timeout=60)
    (one,) = restores(tmp_path / "state")
    assert (one["alive"], one["exit_status"]) == (False, None)
    path = tmp_path / "state" / "restores" / "r.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"pid": os.getpid()}))
    (one,) = restores(tmp_path / "state")
    assert not one["alive"]


def refuse(path: Path, missing_ok: bool = False) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def test_what_is_damaged_or_cannot_be_written_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    assert restores(None) == restores(state) == []
    ProgressFile(None, "r", "v", tmp_path).write({"phase": "waiting"})
    ProgressFile(state, "good", "v", tmp_path).write({})
    for name, text in {"half": '{"pid": 1', "list": "[]", "deep": "[" * 100_000}.items():
        (state / "restores" / f"{name}.json").write_text(text)
    assert [one["run"] for one in restores(state)] == ["good"]
    # What ended long ago is removed, if it can be.
    old = state / "restores" / "good.json"
    old.write_text(json.dumps(json.loads(old.read_text()) | {"process_started": None}))
    os.utime(old, (0, 0))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        assert restores(state) == []
    assert old.exists()
    assert restores(state) == []
    assert not old.exists()
    (tmp_path / "file").touch()
    file = ProgressFile(tmp_path / "file", "r", "v", tmp_path)
    file.write({})
    file.end(0)
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) == 1
