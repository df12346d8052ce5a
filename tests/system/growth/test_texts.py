"""The work of every parser of foreign text grows no faster than the text."""

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from casfs.errors import InventoryError
from casfs.tree.descriptions.generated_names import second_name
from casfs.tree.descriptions.path_text import split, split_windows
from casfs.tree.descriptions.rules import RULES
from casfs.tree.descriptions.safe_path import safe_path
from casfs.tree.file_names import from_file_name, is_cut, to_file_name
from casfs.tree.inventory.reading import open_inventory
from casfs.tree.inventory.text import to_bytes, to_text
from casfs.tree.sqlite.values import parse_time
from tests.support.growth import assert_linear, pumped, pumps

CSV = "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\n"
OUR_CSV = CSV + '"a","b","c",1,"d"\n'


def in_bytes(text):
    return text.encode("utf-8", "surrogatepass")


PARSERS = {
    **RULES,
    "path": split,
    "windows path": split_windows,
    "safe path": lambda text: safe_path((text,)),
    "file name": to_file_name,
    "name of a file": from_file_name,
    "cut name": lambda text: is_cut(to_text(in_bytes(text))),
    "second name": lambda text: second_name(safe_path((text,))[0], None, "a"),
    "date": parse_time,
    "text": lambda text: to_text(to_bytes(text)),
}


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=25, deadline=None)
@given(pump=pumps)
# A string that is not closed was looked for again from each quote in it.
@example(pump=('{"path":{{{{{', '\\"', ""))
@example(pump=('"UTCDateModified"path"[[[[[', '"\\', '"'))
# Each key of git-annex within a path was read to the end of it.
@example(pump=("", "MD5--" + "a" * 32 + ".", "/"))
@example(pump=("", "~" + "a" * 32, "!"))
@example(pump=("<m>", "< ", "</m>"))
@example(pump=("grsync|", "|1", "|x"))
def test_one_text_takes_linear_work(name, pump):
    assert_linear(PARSERS[name], lambda length: pumped(pump, length))


def read(data):
    try:
        for _ in open_inventory(io.BytesIO(data)).batches():
            pass
    except InventoryError:
        pass


@given(
    head=st.sampled_from(
        [
            "",
            "a,",
            'a,"',
            "ArchiveId,",
            CSV,
            CSV + "a,",
            CSV + 'a,"',
            OUR_CSV,
            OUR_CSV + '"a","',
            "{",
            '{"',
            '{"a":',
            '{"ArchiveList":[',
            '{"ArchiveList":[{"ArchiveId":"a"},',
            '{"ArchiveList":[{"ArchiveId":"a","ArchiveDescription":"',
        ]
    ),
    pump=pumps,
)
# A header of very many columns was made a pattern of as many groups.
@example(head="ArchiveId", pump=("", ",a", "\na\n"))
@example(head="ArchiveId,ArchiveDescription", pump=("", ",", "\na\n"))
@example(head=CSV, pump=("a,", ",0", ",b\n"))
@example(head=CSV, pump=('a,"', '\\"', '""x\\"",2019-04-12,5,\n'))
@example(head='{"ArchiveList":[{"a":', pump=("[", "{},", "5x"))
# From each line end, the identifier of a usual line was read to the end of the piece.
@example(head=CSV + "a,", pump=("", "\r\n", ""))
def test_an_inventory_takes_linear_work(head, pump):
    # Longer than one piece that is read: what does not fit into it is looked at again.
    assert_linear(
        read, lambda length: (head + pumped(pump, 8 * length)).encode("utf-8", "surrogatepass")
    )
