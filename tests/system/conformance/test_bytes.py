"""The bytes of outputs: whole, in ranges, of parts of archives, verified where they can be."""

import hashlib

import pytest

from tests.support.emulated_service import BIG, SIZES, VAULT, Service
from tests.support.served import MIB
from tests.system.conformance.doors import Door

SEVEN = SIZES["seven"]


@pytest.mark.parametrize("name", SIZES)
def test_a_whole_output(service: Service, door: Door, name: str) -> None:
    assert door.read(service.output(name)) == service.files[name]
    assert door.attribute(service.output(name), "verified") == "yes"


def test_a_single_byte(service: Service, door: Door) -> None:
    for offset in (0, MIB - 1, MIB, 57 * MIB + 12345, BIG - 1):
        read = door.read_at(service.output("big"), 1, offset)
        assert read == service.files["big"][offset : offset + 1]
    assert door.read_at(service.output("big"), 1, BIG) == b""


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        (0, 10),
        (MIB - 5, 10),
        (MIB, MIB),
        (3 * MIB + 17, 2 * MIB + 1),
        (SEVEN - 3, 100),
        (SEVEN - MIB, MIB),
    ],
)
def test_a_range(service: Service, door: Door, offset: int, size: int) -> None:
    # The kernel may split a read, so ask for it whole where it is whole for both doors.
    read = door.read_at(service.output("seven"), min(size, 100_000), offset)
    assert read == service.files["seven"][offset : offset + min(size, 100_000)]


PARTS = {
    "in the middle": (MIB, 4 * MIB),
    "no subtree, from the start": (0, 3 * MIB),
    "no subtree, to the end": (3 * MIB, SEVEN),
    "one block": (2 * MIB, 3 * MIB),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_an_archive(service: Service, door: Door, part: str) -> None:
    """Of most of these the service knows no hash; what can be checked is the length."""
    first, stop = PARTS[part]
    job = f"part-{first}-{stop}"
    service.add_part("seven", job, first, stop)
    path = f"vaults/{VAULT}/jobs/{job}/output"
    assert door.size(path) == stop - first
    assert door.read(path) == service.files["seven"][first:stop]
    assert door.read_at(path, 5, MIB - 2) == service.files["seven"][first:stop][MIB - 2 : MIB + 3]
    assert door.attribute(path, "verified") == "no"
    assert door.attribute(path, "tree-hash") is None


def test_a_large_output(service: Service, door: Door) -> None:
    path = service.output("big")
    assert door.size(path) == BIG
    assert door.digest(path) == hashlib.sha256(service.files["big"]).digest()
    assert door.attribute(service.output("big"), "verified") == "yes"
