"""The tree hash against the vectors of the official SDK, and its laws."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.treehash import LEAF_SIZE, MD5, SHA256, TreeHash, from_text, to_text

T = b"".join(bytes([letter]) * LEAF_SIZE for letter in b"ABCDEF") + b"G" * (512 << 10)
"""6.5 MiB, each MiB of another letter."""


def tree_hash(data: bytes) -> str:
    return to_text(SHA256.root(SHA256.leaves(data)))


def model(data: bytes) -> bytes:
    """The definition, top down: the left child is the largest power of two of leaves that fits."""
    if len(data) <= LEAF_SIZE:
        return hashlib.sha256(data).digest()
    width = LEAF_SIZE
    while width * 2 < len(data):
        width *= 2
    return hashlib.sha256(model(data[:width]) + model(data[width:])).digest()


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (bytes(1), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (bytes(1 << 20), "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58"),
        (bytes((1 << 20) + 1), "28638dab8d5e1754a4ecb38b0ebe6df66c844f94aed142d4d0283d208bb786cd"),
        (bytes(2 << 20), "861890b487038d840e9d71d43bbc0fd4571453fb9d9b1f370caa3582a29b0ec7"),
        (bytes(3 << 20), "ca6cc129a4514ec765de86a4e7a49adf44842c9cac213c383ebe4071271bdf21"),
        (bytes(5 << 20), "3de9bfb690ff216d907474b4aa56a6f77a8c846a08b26885d4ab2282092a757e"),
        (T, "5f3a56ae8f2e7f5b033a82b42bf000dec847f44466e86e981b104ef7a69481aa"),
        (
            T[2 << 20 : 4 << 20],
            "e83bc5dd78f77e94215c50ca16082ef00111813257450f7a1cb2fc890ffa8abd",
        ),
        (T[4 << 20 :], "c03ba64146aafd85f970763dbddd8131b2d08655c6e78e3795705e50a30f14e0"),
        (
            T[1 << 20 : 3 << 20],
            "e47ec066197743e0bfa2c442059ebc28a78266ef37052681856fca67310b3964",
        ),
    ],
    ids=["1", "1Mi", "1Mi+1", "2Mi", "3Mi", "5Mi", "T", "T2-4", "T4-", "T1-3"],
)
def test_vectors_of_the_official_sdk(data: bytes, wanted: str) -> None:
    assert tree_hash(data) == wanted


def oas_data(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"hello", "5D41402ABC4B2A76B9719D911017C592"),
        (oas_data(1 << 20), "8F293A2F6C19B345152F7A49BB4C643C"),
        (oas_data((1 << 20) + 1), "2DD050B18D8A52C275D3E6DAC425D44B"),
        (oas_data(2 << 20), "063515434B8FC89318BC40C066B88DB2"),
        (oas_data(3 << 20), "09CC420F278EEAAA196348B7D0BDB720"),
        (oas_data(7 << 19), "82E7A1E2BB2570CFE4492AEE9A410617"),
        (oas_data(5 << 20), "DC4530AD763DB8493C5BD3A6A2650CA3"),
        (oas_data(13 << 19), "C23F314F461C71D8FA488DB04F9F98B3"),
    ],
    ids=["hello", "1Mi", "1Mi+1", "2Mi", "3Mi", "3.5Mi", "5Mi", "6.5Mi"],
)
def test_vectors_of_the_official_oas_sdk(data: bytes, wanted: str) -> None:
    assert to_text(MD5.root(MD5.leaves(data))).upper() == wanted


def test_the_leaves_and_subtrees_of_the_official_oas_sdk() -> None:
    leaves = MD5.leaves(oas_data(7 << 19))
    assert [to_text(leaf).upper() for leaf in leaves] == [
        "8F293A2F6C19B345152F7A49BB4C643C",
        "B66F7BDA0D9B13D834B1B87EDE0A33BB",
        "D6BF877399E1176160D38BAA7A114898",
        "44472E52640E6DBCAF84967A4D34A1F3",
    ]
    assert to_text(MD5.root(leaves[:2])).upper() == "063515434B8FC89318BC40C066B88DB2"
    assert to_text(MD5.root(leaves[2:])).upper() == "88D90ABB0E15B7B03DBEBAD69275C349"


@pytest.mark.parametrize(
    ("join", "wrong"),
    [
        (lambda left, right: left + right, "8D72FB0A3248164093F5103F3BC7B0AF"),
        (
            lambda left, right: (left.hex() + right.hex()).encode(),
            "E6DD57F0199AA0EC949D20CD07A6263A",
        ),
    ],
    ids=["raw digests", "lower-case text"],
)
def test_md5_joins_neither_raw_digests_nor_lower_case_text(
    join: Callable[[bytes, bytes], bytes], wrong: str
) -> None:
    leaves = MD5.leaves(oas_data(7 << 19))
    mistaken = TreeHash(MD5.new, lambda left, right: hashlib.md5(join(left, right)).digest())
    assert to_text(mistaken.root(leaves)).upper() == wrong
    assert to_text(MD5.root(leaves)).upper() != wrong


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9 << 20), st.binary(min_size=1, max_size=100))
def test_equals_the_definition_read_top_down(size: int, pattern: bytes) -> None:
    data = (pattern * (size // len(pattern) + 1))[:size]
    assert SHA256.root(SHA256.leaves(data)) == model(data)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=200), st.data())
def test_the_root_of_subtree_roots_is_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    width = 1 << data.draw(st.integers(0, 8))
    parts = [SHA256.root(leaves[at : at + width]) for at in range(0, len(leaves), width)]
    assert SHA256.root(parts) == SHA256.root(leaves)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=50), st.data())
def test_every_leaf_counts(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    other = [*leaves]
    other[at] = bytes([other[at][0] ^ 1]) + other[at][1:]
    assert SHA256.root(other) != SHA256.root(leaves)


@given(st.binary(max_size=4096))
def test_a_buffer_of_any_kind_has_the_same_leaves(data: bytes) -> None:
    assert SHA256.leaves(bytearray(data)) == SHA256.leaves(memoryview(data)) == SHA256.leaves(data)


def test_nothing_has_no_tree_hash() -> None:
    with pytest.raises(ValueError, match="leaf"):
        SHA256.root([])


@given(st.binary(min_size=32, max_size=32))
def test_text_goes_both_ways_in_either_case(digest: bytes) -> None:
    text = to_text(digest)
    assert text == text.lower()
    assert from_text(text) == from_text(f" {text.upper()} ") == digest


def test_text_must_be_hexadecimal() -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        from_text("not a digest")
