"""Tests are found by the names of what they test, and no package of tests needs another one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
ALLOWED_BESIDE_TESTS = {"__init__.py", "conftest.py"}


def names_a_module(path: Path, root: Path) -> bool:
    """Whether a file of tests/unit is named after a module, or is in a directory that is.

    tests/unit/a/test_b.py is of casfs/a/b.py, and so is tests/unit/a/b/test_c.py: of its aspect c.
    """
    where = path.relative_to(root / "tests" / "unit")
    if where.name in ALLOWED_BESIDE_TESTS:
        return True
    if path.suffix != ".py" or not where.name.startswith("test_"):
        return False
    mirrored = root / "casfs" / where.parent
    named = mirrored / where.name.removeprefix("test_")
    return named.exists() or mirrored.with_suffix(".py").exists()


def files(directory: Path) -> list[Path]:
    return sorted(
        path
        for path in directory.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    )


def imported(source: str) -> Iterator[str]:
    """The modules of tests that a source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "tests")


def strange_imports(package: str, source: str) -> list[str]:
    """What a module of a package of tests imports that is neither of tests.support nor its own."""
    own = {"tests.support", package}
    return [
        name
        for name in imported(source)
        if not any(name.startswith(f"{allowed}.") for allowed in own)
        or name.rpartition(".")[0].rpartition(".")[2].startswith("test_")
    ]


def package_of(path: Path) -> str:
    """The package of a file: tests.support as a whole, or the directory of the file."""
    parts = path.relative_to(ROOT).parent.parts
    return ".".join(parts[:2] if parts[1:2] == ("support",) else parts)


def test_every_unit_test_is_named_after_what_it_tests():
    assert [str(path) for path in files(TESTS / "unit") if not names_a_module(path, ROOT)] == []


def test_packages_of_tests_import_nothing_of_one_another():
    modules = [path for path in files(TESTS) if path.suffix == ".py"]
    found = {path: strange_imports(package_of(path), path.read_text()) for path in modules}
    assert {str(path): strange for path, strange in found.items() if strange} == {}


@pytest.mark.parametrize(
    ("name", "is_right"),
    [
        ("test_ranges.py", True),
        ("test_range.py", False),
        ("disk/test_store.py", True),
        ("disk/store/test_restarts.py", True),
        ("disk/test_restarts.py", False),
        ("store/test_store.py", False),
        ("disk/conftest.py", True),
        ("disk/helper.py", False),
        ("disk/store.tar.gz", False),
    ],
)
def test_what_the_rule_says(tmp_path, name, is_right):
    for module in ("ranges.py", "disk/store.py"):
        (tmp_path / "casfs" / module).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "casfs" / module).touch()
    assert names_a_module(tmp_path / "tests" / "unit" / name, tmp_path) == is_right


@pytest.mark.parametrize(
    ("source", "strange"),
    [
        ("import os, tests.support.origin", []),
        ("from tests.support.origin import Origin", []),
        ("from tests.system.cli.said import one_line", []),
        ("from tests.system.cli import said", []),
        ("from tests.system.mount.conftest import SIZES", ["tests.system.mount.conftest.SIZES"]),
        ("def f():\n    import tests.unit.blocks", ["tests.unit.blocks"]),
        ("from tests.system.cli.test_cli import x", ["tests.system.cli.test_cli.x"]),
    ],
)
def test_what_may_be_imported(source, strange):
    assert strange_imports("tests.system.cli", source) == strange
