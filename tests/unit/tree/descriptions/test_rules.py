"""Which rules are tried can be chosen."""

import pytest

from casfs.errors import ConfigError
from casfs.tree.descriptions.decode import decode
from casfs.tree.descriptions.rules import DEFAULT, RULES, RuleSet

STANDARD = DEFAULT.names


def test_the_standard_order():
    assert [name for name in RULES if name not in STANDARD] == ["windows-paths"]
    assert [name for name in RULES if name in STANDARD] == list(STANDARD)
    # It matches everything.
    assert STANDARD[-1] == "plain"


def without(*names):
    return tuple(name for name in STANDARD if name not in names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("fastglacier,plain", ("fastglacier", "plain")),
        ("plain , fastglacier", ("plain", "fastglacier")),
        ("plain,plain", ("plain",)),
        ("-git-annex,-plain", without("git-annex", "plain")),
        ("+windows-paths", (*STANDARD[:-1], "windows-paths", "plain")),
        ("-qnap,+windows-paths,-plain", (*without("qnap", "plain"), "windows-paths")),
        (",".join(f"-{name}" for name in RULES), ()),
    ],
)
def test_rules_are_chosen_by_name(text, names):
    assert RuleSet.parse(text).names == names


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fastglaceir", "unknown rule 'fastglaceir'; known: .*mt-aws-glacier, fastglacier"),
        ("-none", "unknown rule 'none'"),
        ("--plain", "unknown rule '-plain'"),
        ("plain,,qnap", "unknown rule ''"),
        ("", "unknown rule ''"),
        ("-", "unknown rule ''"),
        ("fastglacier,-plain", "either rules .* or changes"),
    ],
)
def test_a_wrong_choice_is_named(text, told):
    with pytest.raises(ConfigError, match=f"^setting .*{told}"):
        RuleSet.parse(text, "setting")


def test_what_no_chosen_rule_matches_is_one_name():
    found = decode("photos/a.jpg", RuleSet.parse("fastglacier"))
    assert (found.path, found.rule) == (("photos%2Fa.jpg",), "")


def test_windows_paths_only_on_request_and_only_without_a_slash():
    rules = RuleSet.parse("+windows-paths")
    assert decode("dir\\file.txt").path == ("dir\\file.txt",)
    assert decode("dir\\file.txt", rules).path == ("dir", "file.txt")
    assert decode("dir\\file.txt", rules).rule == "windows-paths"
    assert decode("a/b\\c", rules).path == ("a", "b\\c")
    assert decode("c:\\dir\\file", rules).path == ("c", "dir", "file")
    assert decode("\\", rules).path == ("\\",)
    assert decode('{"x": "a\\nb"}', rules).rule == ""
