"""What CONTRIBUTING.md says of a new description format: one file and one row are all it takes."""

import re
import types
from pathlib import Path

import pytest

from casfs.tree.descriptions.decode import decode
from casfs.tree.descriptions.rules import RULES, RuleSet

DOCUMENT = Path(__file__).parents[3] / "CONTRIBUTING.md"


@pytest.fixture
def frostbite(monkeypatch):
    """The module in the document, in the table."""
    (source,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    module = types.ModuleType("frostbite")
    exec(compile(source, DOCUMENT.name, "exec"), vars(module))
    monkeypatch.setitem(RULES, "frostbite", module.decode)
    return RuleSet(("frostbite", "plain"))


def test_a_file_and_a_row_make_a_description_format(frostbite):
    told = decode("frost:docs/a.txt", frostbite)
    assert (told.path, told.rule) == (("docs", "a.txt"), "frostbite")
    assert decode("docs/a.txt", frostbite).rule == "plain"


def test_a_new_format_can_be_chosen_by_its_name(frostbite):
    assert RuleSet.parse("frostbite,plain") == frostbite
    assert "frostbite" in RuleSet.parse("+frostbite").names
