"""The services' CSV, as a writer of theirs makes it, is read back exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import InventoryError
from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.inventory.text import to_bytes, to_text
from tests.support.inventory_forms import any_bytes, in_csv, read
from tests.support.service_csv import CREATED, HASH, HEADER, services_entries, written


@given(st.lists(any_bytes), st.booleans())
def test_any_bytes_but_line_breaks_are_kept(descriptions, all_quoted):
    told = [data.replace(b"\n", b"").replace(b"\r", b"") for data in descriptions]
    listed = [ArchiveEntry("a", to_text(data), CREATED, 1, HASH) for data in told]
    text = written(listed, all_quoted=all_quoted)
    assert [to_bytes(entry.description) for entry in read(text)[0]] == told


@given(
    st.lists(services_entries),
    st.sampled_from([4, 5]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.lists(st.integers(1, 60), min_size=1),
)
def test_what_a_service_writes_is_read_back(listed, columns, header, end, all_quoted, sizes):
    data = written(listed, columns, header, end, all_quoted)
    if not data:
        return
    expected = listed if columns == 5 else [entry._replace(tree_hash=None) for entry in listed]
    assert read(data, sizes) == (expected, {})


@given(st.lists(services_entries, min_size=1))
def test_no_record_of_a_service_is_taken_for_one_of_ours(listed):
    # Only the first record decides, so that each has to be first once.
    for entry in listed:
        assert read(written([entry], all_quoted=True))[0] == [entry]
        assert read(in_csv([entry]))[0] == [entry]


def test_a_description_may_be_the_name_of_a_column():
    listed = [ArchiveEntry("id", "ArchiveId", CREATED, 1, HASH)]
    assert read(written(listed, header=False))[0] == listed
    assert read(written(listed))[0] == listed


@pytest.mark.parametrize(
    ("field", "description"),
    [
        ("", ""),
        ('""', ""),
        ("a b", "a b"),
        (r"c:\dir\x", r"c:\dir\x"),
        ('"x\\"', "x\\"),
        ('"x\\\\"', "x\\\\"),
        (r'"a\"b, c"', 'a"b, c'),
        (r'"\""', '"'),
        (r'"\"\""', '""'),
        ('"a""b"', 'a"b'),
        ('"\\""x"', '\\"x'),
        ('"","', '","'),
        ("a,b,2019-04-12,1", "a,b,2019-04-12,1"),
    ],
)
def test_descriptions(field, description):
    if field == '"","':
        field = '"\\",\\""'
    line = f"{HEADER}\nid,{field},{CREATED},12,{HASH}\n".encode()
    assert read(line)[0] == [ArchiveEntry("id", description, CREATED, 12, HASH)]


def test_columns_are_found_by_their_names():
    data = f"Size,New,ArchiveDescription,SHA256TreeHash,ArchiveId\r\n5,?,a,b,{HASH},id\r\n".encode()
    assert read(data)[0] == [ArchiveEntry("id", "a,b", None, 5, HASH)]


def test_what_a_column_leaves_empty_is_not_known():
    data = f"{HEADER}\nid,,,,\nid2,x,,,\n".encode()
    assert read(data)[0] == [
        ArchiveEntry("id", "", None, None, None),
        ArchiveEntry("id2", "x", None, None, None),
    ]


@pytest.mark.parametrize(
    "line",
    [
        f'i"d,x,{CREATED},1,{HASH}',
        f",x,{CREATED},1,{HASH}",
        f'id,x"y,{CREATED},1,{HASH}',
        f"id,x,{CREATED},1,{HASH[1:]}",
        f"id,x,{CREATED},1,{HASH}0",
        f"id,x,{CREATED},1,{HASH[1:]}g",
        f"id,x,{CREATED},{'9' * 20},{HASH}",
        f"id,x,today,1,{HASH}",
        "id",
    ],
)
def test_a_wrong_line_among_good_ones_is_refused(line):
    good = f"id,x,{CREATED},1,{HASH}\n"
    with pytest.raises(InventoryError, match="entry 2"):
        read(f"{good}{line}\n{good}".encode())


def test_empty_lines_are_no_entries():
    good = f"id,x,{CREATED},1,{HASH}\n"
    assert (
        read(f"\n\r\n{good}\n\r\n{good}\n".encode())[0]
        == [ArchiveEntry("id", "x", CREATED, 1, HASH)] * 2
    )
