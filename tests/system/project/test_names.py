"""A name says what it holds: no two modules or classes share one, those of the emulator apart."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "casfs"


def shared_names(files: Iterable[Path]) -> dict[str, list[str]]:
    """The names that two or more modules or classes have, and where."""
    found = defaultdict(list)
    for path in files:
        if not path.name.startswith("__"):
            found[f"module {path.stem}"].append(str(path))
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found[f"class {node.name}"].append(str(path))
    return {name: where for name, where in found.items() if len(where) > 1}


def test_modules_and_classes_have_names_of_their_own():
    files = (path for path in PACKAGE.rglob("*.py") if "emulator" not in path.parts)
    assert shared_names(files) == {}


@pytest.mark.parametrize(
    ("sources", "shared"),
    [
        ({"a/x.py": "class A: ...", "b/y.py": "class B: ..."}, []),
        ({"a/x.py": "class A: ...", "b/y.py": "class A: ..."}, ["class A"]),
        ({"a/x.py": "", "b/x.py": ""}, ["module x"]),
        ({"a/__init__.py": "", "b/__init__.py": ""}, []),
    ],
)
def test_what_is_found(tmp_path, sources, shared):
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    assert list(shared_names(sorted(tmp_path.rglob("*.py")))) == shared
