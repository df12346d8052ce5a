"""What tools write as descriptions comes back as path and time; what is broken, as one name."""

import json

import pytest

from casfs.tree.descriptions.decode import Decoded, decode
from tests.support.description_writers import mt1, standard

MTIME = 1555056930 * 10**9
PHOTO = ("照片", "2019 春", "café.jpg")
PANGRAM = ("docs", "pangram.txt")
KEY = f"SHA256E-s43--{'0123456789abcdef' * 4}.jpg"
MT2 = (
    "mt2 eyJmaWxlbmFtZSI6IueFp-eJhy8yMDE5IOaYpS9jYWbDqS5qcGciLCJtdGltZSI6IjIwMTkwNDEyVDA4MTUzMFoifQ"
)
MT1 = (
    "mt1 eyJmaWxlbmFtZSI6IsOnwoXCp8OnwonChy8yMDE5IMOmwpjCpS9jYWbDg8KpLmpwZyIsIm10aW1lIjoi"
    "MjAxOTA0MTJUMDgxNTMwWiJ9"
)
FAST = (
    "<m><v>4</v><p>ZG9jcy9wYW5ncmFtLnR4dA==</p><lm>20190412T081530Z</lm>"
    "<ce>{}:9e107d9d372bb6826bd81d3542a419d6:43</ce></m>"
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "<m><v>4</v><p>54Wn54mHLzIwMTkg5pilL2NhZsOpLmpwZw==</p><lm>20190412T081530Z</lm></m>",
            Decoded(PHOTO, "fastglacier", MTIME),
        ),
        (FAST.format("0:0"), Decoded(PANGRAM, "fastglacier", MTIME, original_size=43)),
        (
            "<ArchiveMetadata><Path>ZG9jcy9wYW5ncmFtLnR4dA==</Path></ArchiveMetadata>",
            Decoded(PANGRAM, "fastglacier"),
        ),
        (
            MT2,
            Decoded(PHOTO, "mt-aws-glacier", MTIME),
        ),
        (
            MT1,
            Decoded(PHOTO, "mt-aws-glacier", MTIME),
        ),
        ("mtijob1 eyJ0eXBlIjoiZnVsbCJ9", Decoded(("mtijob1 eyJ0eXBlIjoiZnVsbCJ9",))),
        (
            '{"Path":"photos/+cWdyRw-/a+AF8-b.jpg","UTCDateModified":"20190412T081530Z"}',
            Decoded(("photos", "照片", "a_b.jpg"), "cloudberry", MTIME),
        ),
        (
            "grsync|/home/u/照片/a.jpg|43|1555056930.0|note",
            Decoded(("home", "u", "照片", "a.jpg"), "glacier-rsync", MTIME),
        ),
        ('{"path": "/Public/a.pdf", "type": "file"}', Decoded(("Public", "a.pdf"), "qnap")),
        (KEY, Decoded((KEY,), "git-annex")),
        ("No description.", Decoded(("No description.",))),
        ('{"s3_key": "a/b"}', Decoded(('{"s3_key": "a%2Fb"}',))),
        ("key=value", Decoded(("key=value",))),
        ("glacial_backup/docs/a;b.txt", Decoded(("glacial_backup", "docs", "a;b.txt"), "plain")),
        (None, Decoded(())),
        ("", Decoded(())),
        (" \t\n", Decoded(())),
    ],
)
def test_the_descriptions_of_every_tool(text, wanted):
    assert decode(text) == wanted


@pytest.mark.parametrize(
    ("flags", "last"),
    [
        ("1:0", "pangram.txt.compressed"),
        ("0:1", "pangram.txt.encrypted"),
        ("1:1", "pangram.txt.compressed.encrypted"),
    ],
)
def test_a_name_says_that_its_bytes_are_not_those_of_the_file(flags, last):
    found = decode(FAST.format(flags))
    assert found.path == ("docs", last)
    assert (found.compressed, found.encrypted) == (flags[0] == "1", flags[2] == "1")
    assert found.original_size == 43
    number = int(flags[0]) + 2 * int(flags[2])
    text = json.dumps({"path": "docs/pangram.txt", "UTCDateModified": "-", "Flags": number})
    assert decode(text).path == ("docs", last)


def test_fastglacier_of_other_writers():
    blanks = FAST.format("0:0").replace("<p>", "\n <p> ").replace("</p>", " </p >")
    for text in (blanks, f'"{blanks}"', f' "{blanks} " '):
        assert decode(text) == Decoded(PANGRAM, "fastglacier", MTIME, original_size=43)
    version_3 = FAST.format("1:0").replace(":43<", "<").replace("<v>4", "<v>3")
    assert decode(version_3).path == ("docs", "pangram.txt.compressed")
    assert decode(version_3).original_size is None
    drive = f"<m><v>2</v><p>{standard('PC5/B:/dir/f')}</p></m>"
    assert decode(drive).path == ("PC5", "B:", "dir", "f")


def test_a_directory_of_fastglacier():
    found = decode(f"<m><v>4</v><p>{standard('docs/old/')}</p></m>")
    assert (found.path, found.is_directory) == (("docs", "old"), True)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a+b.txt", ("a+b.txt",)),
        ("C++/x", ("C++", "x")),
        ("CB+F8-M5", ("CB+F8-M5",)),
        ("a+-b", ("a+b",)),
        ("+2AA-.txt", ("+2AA-.txt",)),  # half of a surrogate pair
        ("+cWdyRx-", ("+cWdyRx-",)),  # bits left over
        ("照片/+cWdyRw-", ("照片", "+cWdyRw-")),
        ("a+AC8-..+AC8-b", ("a", "%2E%2E", "b")),
        ("a+AAA-b", ("a%00b",)),
        ("c:\\dir\\file", ("c", "dir", "file")),
        ("CBB_PC/D$/F/File$/20190412081530/File", "CBB_PC/D$/F/File$/20190412081530/File"),
    ],
)
def test_paths_of_cloudberry(path, wanted):
    text = json.dumps({"Path": path, "UTCDateModified": "20190412T081530Z"}, ensure_ascii=False)
    path = tuple(wanted.split("/")) if isinstance(wanted, str) else wanted
    assert decode(text) == Decoded(path, "cloudberry", MTIME)
    assert decode(json.dumps(text)) == decode(f'"{text}"') == decode(text)


def test_json_in_json_in_json_is_not_looked_into():
    text = json.dumps({"Path": "a/b", "UTCDateModified": "20190412T081530Z"})
    assert decode(json.dumps(json.dumps(text))).rule == ""


@pytest.mark.parametrize(
    ("text", "path", "mtime"),
    [
        ("grsync|/a|b|43|0.5|", ("a|b",), 500_000_000),
        ("grsync|/a|43|1555056930.123456789|n|1|2.0|m", ("a",), MTIME + 123456789),
        ("grsync|/a|43|1.0000000019|", ("a",), 1_000_000_001),
        ("grsync|/a|43|-1.25|", ("a",), -1_250_000_000),
        ("grsync|/a|43|99999999999999|", ("a",), None),
    ],
)
def test_glacier_rsync_may_have_bars_everywhere(text, path, mtime):
    assert decode(text) == Decoded(path, "glacier-rsync", mtime)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"photos-{KEY}", KEY),
        (KEY.replace("jpg", "照片"), KEY.replace("jpg", "照片")),
        (f"GPGHMACSHA1--{'ab12' * 10}", f"GPGHMACSHA1--{'ab12' * 10}"),
        ("WORM-s43-m1555056930--a.jpg", "WORM-s43-m1555056930--a.jpg"),
        ("URL--http://example.com/a", "URL--http:%2F%2Fexample.com%2Fa"),
    ],
)
def test_keys_of_git_annex(text, key):
    assert decode(text) == Decoded((key,), "git-annex")


def test_a_key_behind_directories_is_a_path():
    assert decode(f"annex/{KEY}") == Decoded(("annex", KEY), "plain")


@pytest.mark.parametrize("wrong", ["20190230T081530Z", "00190412T081530Z", "12 April", "", "٢" * 8])
def test_a_wrong_date_loses_the_time_alone(wrong):
    encoded = standard(json.dumps({"filename": "a/b", "mtime": wrong}))
    for text in (
        f"<m><v>4</v><p>{standard('a/b')}</p><lm>{wrong}</lm></m>",
        f"mt2 {encoded}",
        json.dumps({"Path": "a/b", "UTCDateModified": wrong}),
        json.dumps({"Path": "a/b", "UTCDateModified": {"is": [wrong]}}),
    ):
        found = decode(text)
        assert (found.path, found.mtime, found.rule != "") == (("a", "b"), None, True)


NOT_UTF_8 = "/w=="
BROKEN = [
    "<m><v>4</v><p>ZG9j=cy9w</p></m>",
    "<m><v>4</v><p>ZG9jc</p></m>",
    "<m><v>4</v><p>***</p></m>",
    f"<m><v>4</v><p>{NOT_UTF_8}</p></m>",
    "<m><v>4</v><p></p></m>",
    "<m><v>4</v></m>",
    f"<m><p>{standard('a')}</p></m>",
    f"<m><v>x</v><p>{standard('a')}</p></m>",
    f"<m><v>4</v><p>{standard('a')}</p><p>{standard('b')}</p></m>",
    f"<m><v>4</v><p>{standard('a')}</p><ce>who knows</ce></m>",
    f"<m><v>4</v><p>{standard('/')}</p></m>",
    f"<m><v>4</v><p>{standard('a')}</p>",
    '<!DOCTYPE m [<!ENTITY e "YQ==">]><m><v>4</v><p>&e;</p></m>',
    "<m><v>4</v><p>&#89;Q==</p></m>",
    "<ArchiveMetadata><Path>?</Path></ArchiveMetadata>",
    "mt2 e",
    "mt2 e30",
    "mt2 _w",
    f"mt2 {standard('[1]')}",
    f"mt2 {standard(json.dumps({'filename': 1}))}",
    f"mt2 {standard(json.dumps({'filename': '/'}))}",
    f"mt1 {standard(json.dumps({'filename': '照片'}))}",
    f"mt1 {standard(json.dumps({'filename': 'é'}))}",
    '{"Path": "a/b"}',
    '{"Path": 1, "UTCDateModified": "20190412T081530Z"}',
    '{"Path": "a/b", "UTCDateModified": "20190412T081530Z", "Flags": "x"}',
    '{"Path": "a/b", "UTCDateModified": "20190412T081530Z"',
    '{"path": "a/b"}',
    '{"path": "a/b", "type": 1}',
    '{"path": {"path": "a/b"}, "type": "file"}',
    '{"Path": "a", "UTCDateModified": ' + "[" * 2000 + "]" * 2000 + "}",
    '{"path": "a", "type": "file", "x": ' + '{"x":' * 4 + "1" + "}" * 5,
    "grsync|/a|43|yesterday|note",
    "grsync|/a|43|1555056930.0",
    "grsync|/a",
]


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_broken_is_one_name(text):
    """It makes no directories: the slash in `</p>` is none of a path."""
    found = decode(text)
    assert found == Decoded(found.path)
    (name,) = found.path
    assert name[:200] == text.replace("/", "%2F")[:200]


def test_brackets_in_a_name_are_no_depth():
    path = '[a] {b} [c] {d} \\" [e]/x'
    text = json.dumps({"path": path, "type": "file"})
    assert decode(text).path == ('[a] {b} [c] {d} \\" [e]', "x")


def test_json_may_be_as_deep_as_four():
    assert decode('{"path": "a", "type": "file", "x": [[[1]]]}').rule == "qnap"


def test_text_of_more_than_4_kib_is_not_looked_into():
    text = f"<m><v>4</v><p>{standard('a/b')}</p>{{}}</m>"
    filler = 4096 - len(text.encode()) + 2
    assert decode(text.format(" " * filler)).path == ("a", "b")
    found = decode(text.format(" " * (filler + 1)))
    assert (found.rule, len(found.path)) == ("", 1)
    assert decode(f"{'é' * 2046}/b/c").rule == "plain"
    assert decode(f"{'é' * 2047}/b/c").rule == ""


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("cafÃ©/a.jpg", ("café", "a.jpg")),
        ("ç\x85§ç\x89\x87/a.jpg", ("照片", "a.jpg")),
        ("café/a.jpg", ("café", "a.jpg")),
        ("照片 cafÃ©/a.jpg", ("照片 cafÃ©", "a.jpg")),
    ],
)
def test_utf_8_that_was_read_as_latin_1_is_repaired(text, path):
    assert decode(text).path == path


def test_mt1_is_repaired_only_once():
    assert decode(mt1("cafÃ©", 0)).path == ("cafÃ©",)
