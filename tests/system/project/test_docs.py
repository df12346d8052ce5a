"""The documents, docstrings and comments name paths of this repository that exist."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SOURCES = sorted(ROOT.glob("casfs/**/*.py"))
TOP = ("casfs/", "scripts/", "tests/")

# Files of the official tools, which the services' documentation names.
OTHERS = {"cascmd.py", "oascmd.py", "merkle.py", "oas_api.py"}

MODULE = re.compile(r"(?<![\w./*-])((?:\w+/)*\w+\.py)\b")
PLACE = re.compile(rf"(?<![\w./-])((?:{'|'.join(TOP)})[\w./-]*\w/?)")
DOTTED = re.compile(r"(?<![\w./])(casfs(?:\.\w+)+)(?![\w/-])")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def exists(name: str, named_by: Path) -> bool:
    """Whether a module is where it is said to be: in one of the trees, or beside the file."""
    if "/" not in name and named_by.suffix == ".py":
        return (named_by.parent / name).exists() or (ROOT / "casfs" / name).exists()
    tops = ("casfs", "tests", "scripts")
    return any(any((ROOT / top).glob(f"**/{name}")) for top in tops) or (ROOT / name).exists()


def slug(heading: str) -> str:
    """The anchor that a heading gets, as GitHub makes it."""
    text = re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", ""))
    return text.replace(" ", "-")


def test_modules_that_are_named_exist():
    missing = [
        f"{relative(path)}: {name}"
        for path in [*DOCUMENTS, *SOURCES]
        for name in sorted(set(MODULE.findall(path.read_text())) - OTHERS)
        if not exists(name, path)
    ]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_paths_that_are_named_exist(path):
    named = set(PLACE.findall(path.read_text()))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_names_of_the_package_can_be_imported(path):
    for name in sorted(set(DOTTED.findall(path.read_text()))):
        if name == "casfs.sock" or name.startswith(("user.casfs", "casfs.git")):
            continue
        found = importlib.import_module("casfs")
        for at, part in enumerate(name.split(".")[1:], 2):
            if not hasattr(found, part):
                importlib.import_module(".".join(name.split(".")[:at]))
            found = getattr(found, part)


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(path):
    for link in LINK.findall(path.read_text()):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        document = (path.parent / target).resolve() if target else path
        assert document.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), link


def test_every_protocol_is_listed():
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text[text.index("## Back-edges") : text.index("## Dialects")]
    listed = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    protocols = {
        name
        for path in SOURCES
        if "emulator" not in path.parts
        for name in re.findall(
            r"^class (\w+)\((?:\w+, )*Protocol\)", path.read_text(), re.MULTILINE
        )
    }
    assert listed == protocols
