"""Inventories in every form that casfs reads and writes, and entries that are hard to write."""

import io
import itertools

from hypothesis import strategies as st

from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.inventory.reading import open_inventory
from casfs.tree.inventory.text import to_text
from casfs.tree.inventory.writing import to_csv, to_json

HASH = "SHA256TreeHash"
FACTS = {"VaultARN": "arn:aws:glacier:eu-west-1:012345678901:vaults/照片", "InventoryDate": None}
_TRICKY_BYTES = [
    *(
        b'"',
        b"\\",
        b",",
        b"\r",
        b"\n",
        b"\0",
        b"\t",
        b" ",
        b"a",
        b"\x85",
        b"\xc3",
        b"\xa9",
        b"\xff",
    ),
    *("é".encode(), "照".encode(), "照".encode()[:2], "\U0001f600".encode(), b"\xef\xbb\xbf"),
    # What UTF-8 would have for surrogates: half a pair, a pair, and those that stand for bytes.
    *(b"\xed\xa0\xbd", b"\xed\xb8\x80", b"\xed\xb2\x85", b"\xed\xb3\x83\xed\xb2\xa9", b"\xed\xa0"),
]
any_bytes = st.lists(st.sampled_from(_TRICKY_BYTES) | st.binary(max_size=3)).map(b"".join)
texts = any_bytes.map(to_text)
half_pairs = st.text(
    st.characters(exclude_categories=())
    | st.sampled_from('"\\,\n \ud83d\ude00\udc80\udcc3\udca9\udced\udca0\udcbdé照')
)
"""Also with surrogates that stand for no byte, as JSON can have them."""


def entries_with(text):
    return st.builds(
        ArchiveEntry,
        text.filter(bool),
        st.none() | text,
        st.none() | text,
        st.none() | st.integers(0, (1 << 63) - 1),
        st.none() | text,
    )


entries = entries_with(texts)


class Pieces(io.RawIOBase):
    """A file that is read in pieces of the given sizes."""

    def __init__(self, data, sizes):
        self._data = io.BytesIO(data)
        self._sizes = itertools.cycle(sizes)

    def read(self, size=-1):
        return self._data.read(min(size, next(self._sizes)))


def read(data, sizes=(1 << 20,)):
    reader = open_inventory(Pieces(data, sizes))
    return [entry for batch in reader.batches() for entry in batch], reader.facts


def in_json(listed, facts=FACTS, hash_name=HASH):
    return b"".join(to_json(facts, hash_name, [listed]))


def in_csv(listed, hash_name=HASH):
    return b"".join(to_csv(hash_name, [listed]))
