"""Inventories as streams: nothing lost between JSON and CSV, no short list, no other exception."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import InventoryError
from casfs.tree.inventory.entry import BATCH, ArchiveEntry
from casfs.tree.inventory.reading import open_inventory
from casfs.tree.inventory.text import LONGEST, to_bytes, to_text
from tests.support.inventory_forms import (
    FACTS,
    HASH,
    any_bytes,
    entries,
    entries_with,
    half_pairs,
    in_csv,
    in_json,
    read,
)


@given(any_bytes)
def test_all_bytes_go_back_as_they_were(data):
    assert to_bytes(to_text(data)) == data


@given(half_pairs)
def test_every_text_has_bytes(text):
    assert to_bytes(to_text(to_bytes(text))) == to_bytes(text)


@given(st.lists(entries), st.sampled_from([HASH, "ArchiveTreeEtag"]))
def test_nothing_is_lost_from_json_to_csv_to_json(listed, hash_name):
    original = in_json(listed, FACTS, hash_name)
    first, facts = read(original)
    assert (first, facts) == (listed, FACTS)
    second, none = read(in_csv(first, hash_name))
    assert (second, none) == (listed, {})
    assert in_json(second, FACTS, hash_name) == original


@given(st.lists(entries_with(half_pairs)))
def test_half_pairs_keep_their_place_in_json_and_their_bytes_in_csv(listed):
    assert read(in_json(listed))[0] == listed
    found, _ = read(in_csv(listed))
    assert found == [entry._make(map(as_bytes_have_it, entry)) for entry in listed]


def as_bytes_have_it(value):
    return to_text(to_bytes(value)) if isinstance(value, str) else value


@given(st.lists(any_bytes))
def test_other_programs_get_the_bytes_of_descriptions(descriptions):
    """As the documentation of inventories says: with the error handler `surrogateescape`."""
    listed = [ArchiveEntry("a", to_text(told), None, None, None) for told in descriptions]
    in_theirs = json.loads(in_json(listed))["ArchiveList"]
    text = in_csv(listed).decode(errors="surrogateescape")
    for rows in (in_theirs, csv.DictReader(io.StringIO(text, newline=""))):
        found = [row["ArchiveDescription"].encode(errors="surrogateescape") for row in rows]
        assert found == descriptions


@given(st.lists(any_bytes))
def test_bytes_as_they_stand_in_a_services_json_are_kept(descriptions):
    """Also those that are no UTF-8, and so no JSON either; only what JSON escapes is escaped."""
    rows = [
        b'{"ArchiveId":"a","ArchiveDescription":"%s"}'
        % told.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        for told in descriptions
    ]
    listed, _ = read(b'{"ArchiveList":[' + b",".join(rows) + b"]}")
    assert [to_bytes(entry.description) for entry in listed] == descriptions


@given(st.lists(entries), st.lists(st.integers(1, 50), min_size=1), st.booleans())
def test_pieces_of_any_size_make_no_difference(listed, sizes, as_json):
    data = in_json(listed) if as_json else in_csv(listed)
    assert read(data, sizes)[0] == listed


def test_json_is_valid_for_others():
    listed = [
        ArchiveEntry("a", 'q"\\\n照\ud83d', None, 7, "0f"),
        ArchiveEntry("b", "", "x", None, None),
    ]
    text = in_json(listed).decode()
    assert json.loads(text) == FACTS | {
        "ArchiveList": [
            {
                "ArchiveId": "a",
                "ArchiveDescription": 'q"\\\n照\ud83d',
                "CreationDate": None,
                "Size": 7,
                "SHA256TreeHash": "0f",
            },
            {
                "ArchiveId": "b",
                "ArchiveDescription": "",
                "CreationDate": "x",
                "Size": None,
                "SHA256TreeHash": None,
            },
        ]
    }
    assert "照\\ud83d" in text


def test_many_entries_come_in_batches():
    listed = [ArchiveEntry(str(n), None, None, n, None) for n in range(2 * BATCH + 1)]
    for data in (
        in_json(listed),
        in_csv(listed),
        b"".join(b"%d,,,%d\n" % (n, n) for n in range(9)),
    ):
        sizes = [len(batch) for batch in open_inventory(io.BytesIO(data)).batches()]
        assert sizes in ([BATCH, BATCH, 1], [9])


def test_an_empty_vault_has_no_entries():
    for data in (in_json([]), in_csv([]), b'{"ArchiveList": null}', b' {"ArchiveList":[ ]}\n'):
        assert read(data)[0] == []


def test_keys_stand_in_any_order_and_unknown_ones_are_left_out():
    data = b"""\xef\xbb\xbf
      {"VaultQCS": "qcs::cas", "ArchiveList": [ {"New": [1, {"ArchiveId": "no"}], "ArchiveId": "a",
        "Size": "12", "ArchiveTreeEtag": "0f"} , {"ArchiveId":"b","Size":""} ],
       "Count": 12, "InventoryDate": null } """
    for sizes in ([1], [1000]):
        assert read(data, sizes) == (
            [ArchiveEntry("a", None, None, 12, "0f"), ArchiveEntry("b", None, None, None, None)],
            {"VaultQCS": "qcs::cas", "Count": 12, "InventoryDate": None},
        )


def test_a_description_cut_within_a_character_is_kept():
    data = '{"ArchiveList": [{"ArchiveId": "a", "ArchiveDescription": "照"}]}'.encode()
    cut = data.replace("照".encode(), "照".encode()[:2])
    listed, _ = read(cut)
    assert listed[0].description == "\udce7\udc85"
    assert b'"\xe7\x85"' in in_csv(listed)
    assert b"\\udce7\\udc85" in in_json(listed)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{}", "no ArchiveList"),
        (b"[]", "an object"),
        (b'{"ArchiveList": 5}', "a list"),
        (b'{"ArchiveList": nul', "malformed"),
        (b'{"ArchiveList": [5]}', "entry 1 is not an object"),
        (b'{"ArchiveList": [{"ArchiveId": "a"}, {"Size": 5}]}', "entry 2 has no ArchiveId"),
        (b'{"ArchiveList": [{"ArchiveId": ""}]}', "entry 1 has no ArchiveId"),
        (b'{"ArchiveList": [{"ArchiveId": "a"}, ]}', "entry 2"),
        (b'{"ArchiveList": [{"ArchiveId": "a"} {"ArchiveId": "b"}]}', "after entry 1"),
        (b'{"ArchiveList": [{"ArchiveId": "a", "Size": 5.5}]}', "entry 1: its Size"),
        (b'{"ArchiveList": [{"ArchiveId": "a", "Size": true}]}', "entry 1: its Size"),
        (b'{"ArchiveList": [{"ArchiveId": "a", "Size": -1}]}', "entry 1: its Size"),
        (b'{"ArchiveList": [{"ArchiveId": "a", "Size": ' + b"9" * 5000 + b"}]}", "entry 1"),
        (b'{"ArchiveList": [{"ArchiveId": "a", "Size": NaN}]}', "NaN is not JSON"),
        (b'{"ArchiveList": [{"ArchiveId": "a", "CreationDate": 5}]}', "entry 1 has 5"),
        (b'{"ArchiveList": [], "ArchiveList": []}', "two ArchiveLists"),
        (b'{"ArchiveList": []} []', "something after"),
        (b'{"ArchiveList": []', "after what precedes"),
        (b'{"ArchiveList": [{"ArchiveId": "a"}], 5: 6}', "not a string"),
        (b'{"ArchiveList": [{"ArchiveId": "a", "X": ' + b"[" * 100_000, "entry 1 is nested"),
        (b'{"X": ' + b'{"a":' * 100_000, "X is nested"),
        (b'{"ArchiveList": [{"ArchiveId": "' + b"a" * (LONGEST + (1 << 20)), "longer than"),
        (b'{"X": "' + b"a" * LONGEST + b'", "ArchiveList": []}', "too long"),
        (b"a" * (LONGEST + (1 << 20)), "longer than"),
        (b"<html>\n<body>no such job</body></html>\n", "neither JSON nor CSV"),
        (b"ArchiveId,Size,Size\n", "twice"),
        (b"a,b,2019-04-12T08:15:30Z,twelve\n", "neither JSON nor CSV"),
        (b"ArchiveId,ArchiveDescription,CreationDate,Size\na,b,2019-04-12,1\nb\n", "entry 2"),
        (b'a,"b\\"c""d",2019-04-12,1\n', "quoted wrongly"),
        (b'a,b"c,2019-04-12,1\n', "quoted wrongly"),
        (b"a,b,2019-04-12,12", "truncated"),
        (b"a,b,2019-04-12,12,", "truncated"),
    ],
)
def test_what_is_no_inventory_is_refused_with_the_place(data, said):
    with pytest.raises(InventoryError, match=said):
        read(data)


@given(st.lists(entries, min_size=1, max_size=3), st.integers(1), st.booleans())
def test_a_file_that_is_cut_off_is_refused(listed, cut, as_json):
    data = (in_json(listed) if as_json else in_csv(listed))[:-1]
    data = data[: cut % len(data)]
    whole = 0 if as_json else len(in_csv([]))
    try:
        found, _ = read(data)
    except InventoryError:
        return
    # A CSV that ends with a record does not show that others are missing.
    assert not as_json
    assert in_csv(found) == data if len(data) >= whole else not found


@given(
    st.one_of(
        st.binary(),
        st.binary().map(lambda data: b'{"ArchiveList": [{"ArchiveId": ' + data),
        st.binary().map(lambda data: in_csv([]) + data),
        st.binary().map(lambda data: b"a,b,2019-04-12,1\n" + data),
        st.text('{}[]:,"\\ud8Aea1\n').map(str.encode),
    )
)
def test_arbitrary_bytes_give_entries_or_the_clear_error(data):
    try:
        listed, _ = read(data)
    except InventoryError:
        return
    assert all(isinstance(entry, ArchiveEntry) and entry.id for entry in listed)


def test_memory_does_not_grow_with_the_inventory():
    class Endless:
        """A reader of an inventory that never ends, which notes how much was read."""

        def __init__(self, head, record):
            self._next, self._record, self.taken = head, record, 0

        def read(self, size):
            self.taken += 1
            data, self._next = self._next, self._record * (size // len(self._record))
            return data

    entry = ArchiveEntry("a", "d" * 100, "2019-04-12T08:15:30Z", 1, "0f" * 32)
    for head, record in (
        (b'{"ArchiveList": [{"ArchiveId": "a"}', b',{"ArchiveId": "b", "Size": 5}'),
        (in_csv([entry]), in_csv([entry]).partition(b"\n")[2]),
        (b"a,b,2019-04-12,1\n", b"a,b,2019-04-12,1\n"),
    ):
        endless = Endless(head, record)
        batches = open_inventory(endless).batches()
        for _ in range(3):
            assert len(next(batches)) == BATCH
        # It reads on only for what it has not handed on yet.
        assert endless.taken <= 5
