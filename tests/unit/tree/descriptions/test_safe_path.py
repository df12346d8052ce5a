"""Whatever a description holds, its names are safe, and what is safe comes back unchanged."""

import json
import os
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from casfs.tree.descriptions.decode import decode
from casfs.tree.descriptions.generated_names import parse_second_name, second_name
from casfs.tree.descriptions.rules import RULES, RuleSet
from casfs.tree.descriptions.safe_path import safe_path
from tests.support import description_writers as writers

ODD = "./\\%~-\x00\n\x7f\x85\u2028\u202e\u2066\u200f\u061c\ud800\udcffAF09é照😀\"'<>{}[]|:+ "
EVERY_RULE = RuleSet(tuple(RULES))
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

characters = st.characters(codec=None, categories=None)
texts = st.text(characters, max_size=300) | st.text(ODD, max_size=1500)
shapes = st.sampled_from(
    [
        "{}", "<m><v>4</v><p>{}</p></m>", "mt2 {}", "mt1 {}", "grsync|{}|1|2.0|", "SHA1--{}",
        '{{"Path":"{}","UTCDateModified":""}}', '{{"path":"{}","type":""}}', "C:\\{}", "\\\\{}",
    ]
)  # fmt: skip


def check(path):
    for name in path:
        assert name not in ("", ".", "..")
        assert "/" not in name
        assert len(os.fsencode(name)) <= 255
        name.encode()
        for char in name:
            assert unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
            assert unicodedata.bidirectional(char) not in TURNING
            assert char not in "\u200e\u200f\u061c"
    assert len("/".join(path).encode()) <= 3072
    assert len(path) <= 64
    assert path[:1] != ("by-id",)
    assert not any(parse_second_name(name) for name in path)


@given(shapes, texts)
@example("{}", "../" * 400)
@example("{}", "\u202e" * 1300)
@example("{}", "😀" * 5000)
@example("{}", "%7E~" * 500)
@example("{}", "a/" * 2000)
@example("{}", "by-id/by-id")
@example("{}", f"{'x' * 250}~20190412T081530Z~1a2b3c4d5e6f.jpg")
def test_any_text_makes_a_safe_path(shape, text):
    for description in (text, shape.format(text)):
        for rules in (EVERY_RULE, RuleSet(())):
            found = decode(description, rules)
            check(found.path)
            assert bool(found.path) == bool(description.strip())
            assert found.rule in {*RULES, ""}


@given(texts)
def test_any_text_that_a_tool_packs_makes_a_safe_path(text):
    raw = text.encode("utf-8", "replace").decode()
    for description in (
        writers.fastglacier(raw, 0),
        writers.mt2(raw, 0),
        writers.cloudberry(raw, 0),
        writers.glacier_rsync(text, 0),
        writers.qnap(text),
        json.dumps({"Path": text, "UTCDateModified": "", "Flags": 3}),
    ):
        check(decode(description).path)


names = st.text(characters, min_size=1, max_size=300) | st.text(ODD, min_size=1, max_size=300)
paths = st.lists(names | st.sampled_from(["a", "b", "a" * 250]), min_size=1, max_size=100)


def needs_no_escape(name):
    return safe_path([name.replace("%", "x")]) == (name.replace("%", "x"),)


@given(st.lists(names.filter(needs_no_escape), min_size=1, max_size=10))
@example(["my%20file.pdf", "100%", "%", "%%", "%41", "a%2Fb", "%E2%80%AE", "x%7Ey"])
def test_what_is_safe_comes_back_as_it_was_uploaded(path):
    assume(path[0] != "by-id")
    assert safe_path(path) == tuple(path)


@given(names)
def test_what_is_escaped_is_not_escaped_again(name):
    (escaped,) = safe_path([name])
    assume(len(escaped.encode()) < 200)
    assert safe_path([escaped]) == (escaped,)


@given(paths, paths)
def test_only_escapes_make_different_names_one(a, b):
    assert a == b or safe_path(a) != safe_path(b) or any("%" in name for name in safe_path(a))


@given(paths, st.integers(1, 5000))
def test_cut_paths_differ_from_those_that_look_like_them(path, more):
    whole = [*path, "x" * more, *["d"] * 70]
    made = safe_path(whole)
    assert safe_path(made) != made
    assert safe_path([*whole[:-1], "e"]) != made


plain_names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="/\\%~:"),
    min_size=1,
    max_size=40,
).filter(lambda name: name.strip(".") and name != "by-id")
plain_paths = st.lists(plain_names, min_size=2, max_size=6).map("/".join)
moments = st.integers(-30610224000, 253402300799)


@given(plain_paths, moments)
def test_what_tools_write_is_read(path, seconds):
    wanted = tuple(path.split("/"))
    for text in (
        writers.fastglacier(path, seconds),
        writers.mt2(path, seconds),
        writers.mt1(path, seconds),
        writers.cloudberry(path, seconds),
    ):
        found = decode(text)
        assert (found.path, found.mtime) == (wanted, seconds * 10**9), text
    assert decode(writers.fastglacier_1(path)).path == wanted
    assert decode(writers.qnap(f"/{path}")).path == wanted


@given(plain_paths.filter(lambda path: "|" not in path), moments)
def test_what_glacier_rsync_writes_is_read(path, seconds):
    description = writers.glacier_rsync(path, seconds)
    assume(not looks_like_latin_1(description))
    found = decode(description)
    assert (found.path, found.mtime) == (tuple(path.split("/")), seconds * 10**9)


def looks_like_latin_1(text):
    try:
        return not text.isascii() and bool(text.encode("latin-1").decode())
    except UnicodeError:
        return False


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/etc/passwd", ["etc", "passwd"]),
        ("./a//b/./c/", ["a", "b", "c"]),
        ("../../etc/passwd", ["%2E%2E", "%2E%2E", "etc", "passwd"]),
        ("c:\\dir\\file", ["c", "dir", "file"]),
        ("C:/dir\\file", ["C", "dir", "file"]),
        ("\\\\server\\share\\a.txt", ["server", "share", "a.txt"]),
        ("\\\\?\\C:\\a.txt", ["C", "a.txt"]),
        ("\\\\?\\UNC\\server\\share\\a.txt", ["server", "share", "a.txt"]),
        ("dir\\file.txt", ["dir\\file.txt"]),
        ("a/b\\c", ["a", "b\\c"]),
        ("C:", ["C:"]),
        ("by-id", ["by%2Did"]),
        ("by-id/a", ["by%2Did", "a"]),
        ("by%2Did", ["by%2Did"]),
        ("a/by-id", ["a", "by-id"]),
        ("a~20190412T081530Z~1a2b3c4d5e6f.jpg", ["a%7E20190412T081530Z~1a2b3c4d5e6f.jpg"]),
        (f"a~{'0f' * 16}", [f"a%7E{'0f' * 16}"]),
        ("a~b~.txt", ["a~b~.txt"]),
        ("100%/50%25", ["100%", "50%25"]),
        ("my%20file.pdf", ["my%20file.pdf"]),
        ("%2E%2E/a%2Fb", ["%2E%2E", "a%2Fb"]),
        ("a\nb/c\x7f", ["a%0Ab", "c%7F"]),
        ("evil\u202egpj.exe", ["evil%E2%80%AEgpj.exe"]),
        ("-rf/ a /b.", ["-rf", " a ", "b."]),
        ("CON/a.txt", ["CON", "a.txt"]),
        ("\udce9.txt", ["%ED%B3%A9.txt"]),
        ("/", ["%2F"]),
        (".", ["%2E"]),
        ("..", ["%2E%2E"]),
    ],
)
def test_dangers_of_a_text(text, path):
    assert decode(text).path == tuple(path)


def test_twins_stay_two():
    twins = ["café", unicodedata.normalize("NFD", "café"), "Café"]
    assert len({decode(f"{name}.txt").path for name in twins}) == 3


def test_a_long_name_is_cut_and_keeps_its_extension():
    (name,) = decode("照" * 300 + ".tar.jpg").path
    assert name.startswith("照" * 70)
    assert name.endswith(".jpg")
    assert 250 < len(name.encode()) <= 255
    assert decode("照" * 300 + ".tar.png").path[0][:-4] != name[:-4]
    text = json.dumps({"Path": "x" * 250 + ".gz", "UTCDateModified": "", "Flags": 3})
    (flagged,) = decode(text).path
    assert flagged.endswith(".gz.compressed.encrypted")


def test_a_deep_path_keeps_its_first_directories():
    path = decode("a/" * 100 + "b.txt").path
    assert path[:-1] == ("a",) * 63
    assert path[-1].startswith("b~")
    assert path[-1].endswith(".txt")
    assert decode("a/" * 101 + "b.txt").path != path


CREATED = datetime(2019, 4, 12, 8, 15, 30, tzinfo=UTC)


def test_the_second_name_tells_the_date_and_the_archive():
    made = second_name("photo.jpg", CREATED, "archive")
    assert made == "photo~20190412T081530Z~0eb3e36bfb24.jpg"
    there = CREATED.astimezone(timezone(timedelta(hours=8)))
    assert second_name("photo.jpg", there, "archive") == made
    assert second_name("photo.jpg", CREATED.replace(tzinfo=None), "archive") == made
    unknown = second_name("photo", None, "archive")
    assert unknown == "photo~00000000T000000Z~0eb3e36bfb24"
    assert second_name("a.gz.compressed", None, "x").endswith(".gz.compressed")
    assert second_name(".profile", None, "x").startswith(".profile~")


@given(paths, st.none() | st.datetimes(), st.text(characters, max_size=100), st.text(max_size=5))
def test_second_names_are_safe_and_differ(path, created, archive_id, other):
    (*_, name) = safe_path(path)
    made = second_name(name, created, archive_id)
    assert parse_second_name(made) is not None
    assert len(made.encode()) <= 255
    assert "/" not in made
    assert made == second_name(name, created, archive_id)
    assert made not in safe_path([made])
    assert (made == second_name(name, created, other)) == (archive_id == other)


@pytest.mark.parametrize("edge", [datetime.min, datetime.max])
def test_a_date_at_the_edge_of_all_dates_is_no_trouble(edge):
    for hours in (-23, 23):
        created = edge.replace(tzinfo=timezone(timedelta(hours=hours)))
        assert parse_second_name(second_name("a", created, "x")) is not None
