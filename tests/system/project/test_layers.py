"""Imports go downwards only, as pyproject.toml says."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from casfs.service.registry import DIALECTS

ROOT = Path(__file__).parents[3]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(command), "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_imports_keep_to_the_layers():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_every_module_of_the_service_has_a_layer_unless_it_is_a_dialect():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (
        contract["layers"]
        for contract in contracts["contracts"]
        if contract.get("containers") == ["casfs.service"]
    )
    placed = {name for layer in layers for name in re.findall(r"\w+", layer)}
    modules = {path.stem for path in (ROOT / "casfs" / "service").glob("[!_]*.py")}
    dialects = {one.dialect.__module__.rpartition(".")[2] for one in DIALECTS.values()}
    assert modules - placed <= dialects
