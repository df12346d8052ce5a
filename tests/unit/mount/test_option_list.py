"""How the text behind `-o` is split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import ConfigError
from casfs.mount.option_list import escaped, split_options


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        (",,a,,", {"a": True}),
        ("a=1,a=2,b=", {"a": "2", "b": ""}),
        ('a="x,y",b', {"a": "x,y", "b": True}),
        (r"a=x\,y,b=\"q\\", {"a": "x,y", "b": r'"q' + "\\"}),
        ('a=p"x,y"q', {"a": "px,yq"}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test_options_are_split(text, wanted):
    assert split_options(text) == wanted


@pytest.mark.parametrize("text", ['a="x', "a=\\", 'a,b="c,d'])
def test_what_is_not_closed_is_refused(text):
    with pytest.raises(ConfigError, match="not closed"):
        split_options(text)


@given(st.text(st.characters(blacklist_characters='"', codec="utf-8"), min_size=1))
def test_what_is_escaped_comes_back(value):
    assert split_options(f"a={escaped(value)},b") == {"a": value, "b": True}
