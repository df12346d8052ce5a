"""How sizes are written for people."""

import pytest

from casfs.cli.show import size_text

SIZES = {
    0: "0 B",
    1: "1 B",
    1023: "1023 B",
    1024: "1.0 KiB",
    (1 << 20) - 60: "1023.9 KiB",
    (1 << 20) - 1: "1.0 MiB",
    1 << 20: "1.0 MiB",
    (1 << 30) - 1: "1.0 GiB",
    3 << 50: "3.0 PiB",
    5000 << 50: "5000.0 PiB",
}


@pytest.mark.parametrize(("size", "text"), SIZES.items())
def test_a_size_is_of_the_unit_that_it_rounds_to(size, text):
    assert size_text(size) == text
