"""A bad record costs no other one, wherever it stands and however the inventory comes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.errors import InventoryError
from casfs.tree.inventory.bad_records import BadRecords
from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.inventory.reading import open_inventory
from casfs.tree.inventory.text import LONGEST
from tests.support.bad_records import BAD_CSV, BAD_JSON
from tests.support.inventory_forms import Pieces, entries, in_csv, in_json
from tests.support.service_csv import HEADER, services_entries, written

L = "x" * (LONGEST + (1 << 19))


def read(data, sizes=(1 << 20,)):
    """The entries, and the bad records, of an inventory."""
    bad = BadRecords()
    # A record of over a mebibyte in pieces of a few bytes takes minutes, and comes from nowhere.
    least = len(data) // 256
    reader = open_inventory(Pieces(data, [max(size, least) for size in sizes]), bad.note)
    return [entry for batch in reader.batches() for entry in batch], bad


def mixed(data, good, bad):
    """Draw an order in which bad records stand among good ones."""
    places = [data.draw(st.integers(0, len(good))) for _ in bad]
    order = list(good)
    for place, record in sorted(zip(places, bad, strict=True), reverse=True):
        order.insert(place, record)
    return order


@settings(deadline=None)
@given(st.data(), st.lists(entries, max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_json(data, listed, sizes):
    bad = data.draw(st.lists(st.sampled_from(BAD_JSON), min_size=1, max_size=3))
    good = [
        in_json([one]).partition(b'"ArchiveList":[')[2].rstrip().removesuffix(b"]}")
        for one in listed
    ]
    records = mixed(data, good, [record.encode() for record in bad])
    text = b'{"ArchiveList": [' + b",".join(records) + b"]}"
    found, told = read(text, sizes)
    assert found == listed
    assert told.count == len(bad)
    with pytest.raises(InventoryError):
        list(open_inventory(Pieces(text, [len(text)])).batches())


@settings(deadline=None)
@given(st.data(), st.lists(services_entries, max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_the_services_csv(data, listed, sizes):
    bad = data.draw(st.lists(st.sampled_from(BAD_CSV), min_size=1, max_size=3))
    good = [written([one], header=False).decode().rstrip("\n") for one in listed]
    lines = [HEADER, *mixed(data, good, bad)]
    text = "".join(f"{line}\n" for line in lines).encode()
    found, told = read(text, sizes)
    assert found == listed
    assert told.count == len(bad)
    with pytest.raises(InventoryError):
        list(open_inventory(Pieces(text, [len(text)])).batches())


@given(st.lists(entries, min_size=2, max_size=4), st.sampled_from(['"b,x\n', '"b","x"\n', "b\n"]))
def test_our_csv(listed, bad):
    header, _, first = in_csv(listed[:1]).partition(b"\n")
    rest = in_csv(listed[1:]).partition(b"\n")[2]
    found, told = read(header + b"\n" + first + bad.encode() + rest)
    assert found == listed
    assert told.count == 1


@pytest.mark.parametrize(
    "text",
    [
        f'{{"ArchiveList":[{{"ArchiveId":"a"}},{{"ArchiveId":"b","X":"{L}"}},{{"ArchiveId":"c"}}]}}',
        f"a,,2019-04-12,\nb,{L},2019-04-12,\nc,,2019-04-12,\n",
    ],
)
def test_a_record_of_any_length_is_one_bad_record(text):
    found, told = read(text.encode())
    assert [entry.id for entry in found] == ["a", "c"]
    assert (told.count, told.take_ids()) == (1, ["b"])
    assert "longer than" in told.first
    # Cut off in it.
    with pytest.raises(InventoryError, match="truncated"):
        read(text[: LONGEST + (1 << 18)].encode())


@pytest.mark.parametrize("lines", [["b,x", "a,b,2019-04-12,1"], ["x", "", "a,b,2019-04-12,1"]])
def test_the_first_line_may_be_bad(lines):
    found, told = read("".join(f"{line}\n" for line in lines).encode())
    assert found == [ArchiveEntry("a", "b", "2019-04-12", 1, None)]
    assert told.count == 1


def test_identifiers_are_read_only_where_they_can_be():
    records = [
        '{"Size": -1, "ArchiveId": "\\u0061"}',
        '{"ArchiveId": "b", "X": }',
        '{"ArchiveId": }',
    ]
    _, told = read(f'{{"ArchiveList": [{", ".join(records)}]}}'.encode())
    assert (told.count, told.take_ids()) == (3, ["a", "b"])
    description = json.dumps('"ArchiveId": "other"')
    _, told = read(f'{{"ArchiveList": [{{"ArchiveDescription": {description}, "X": }}]}}'.encode())
    assert (told.count, told.take_ids()) == (1, [])


def test_identifiers_of_many_bad_records_are_taken_on_the_way():
    taken = []
    bad = BadRecords()
    bad.on_many = lambda: taken.append(len(bad.take_ids()))
    text = "a,,2019-04-12,1\n" + "b,,2019-04-12,x\n" * 20_000
    reader = open_inventory(Pieces(text.encode(), [1 << 20]), bad.note)
    assert sum(len(batch) for batch in reader.batches()) == 1
    assert bad.count == 20_000
    assert taken == [5000] * 4
