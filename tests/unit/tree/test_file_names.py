"""Names of vaults and jobs are legal file names, differ when they differ, and turn back."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casfs.tree.file_names import LONGEST, from_file_name, to_file_name

ANY = st.text(max_size=400) | st.text("./%~-\x00AF09\ud800é", max_size=300)


@given(ANY)
@example("")
@example(".")
@example("..")
@example("%2E")
@example("%")
@example("a/b\x00\n")
@example("-rf")
@example("\udcff")
@example("é" * 200)
@example("%41" * 90)
def test_every_name_is_a_legal_file_name_and_turns_back(name):
    file_name = to_file_name(name)
    assert file_name not in ("", ".", "..")
    assert "/" not in file_name
    assert not any(ord(char) < 32 or ord(char) == 127 for char in file_name)
    encoded = file_name.encode()
    assert len(encoded) <= LONGEST
    assert os.fsdecode(os.fsencode(file_name)) == file_name
    if len(encoded) < LONGEST - 40:
        assert from_file_name(file_name) == name


@given(ANY, ANY)
def test_different_names_have_different_file_names(a, b):
    assert (to_file_name(a) == to_file_name(b)) == (a == b)


@given(ANY)
def test_what_turns_back_is_the_file_name_of_its_name(file_name):
    """No file is reached by two names."""
    name = from_file_name(file_name)
    assert name is None or to_file_name(name) == file_name


@pytest.mark.parametrize("name", ["v", "Upper_Case.1", "-leading", "--", "a b", "50%", "~x", "é"])
def test_ordinary_names_stay_as_they_are(name):
    assert to_file_name(name) == name


@pytest.mark.parametrize(
    ("name", "file_name"),
    [(".", "%2E"), ("..", "%2E%2E"), ("a/b", "a%2Fb"), ("%2F", "%252F"), ("a\nb", "a%0Ab")],
)
def test_what_cannot_stand_in_a_name_is_escaped(name, file_name):
    assert to_file_name(name) == file_name
    assert from_file_name(file_name) == name


@given(st.text(min_size=256, max_size=300))
def test_long_names_that_begin_alike_differ(name):
    assert to_file_name(name + "a") != to_file_name(name + "b")


@given(st.binary(max_size=50))
def test_any_name_a_program_asks_for_is_answered(raw):
    """Programs may ask for bytes that are no UTF-8."""
    from_file_name(os.fsdecode(raw))
