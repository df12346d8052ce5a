"""The GETs that are under way are as many as what limits them is worth."""

from dataclasses import replace

import pytest

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets import width
from casfs.blocks.gets.slots import Slots
from casfs.service.body_reader import Receiver
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, root
from tests.support.blocks import bringing
from tests.support.server import serving

DATA = random_bytes(8 * MIB)
READS = 12
CONNECTIONS = 8


@pytest.mark.parametrize(("behind", "fewer"), [(1.0, True), (0.0, False), (None, False)])
def test_they_are_fewer_only_where_bytes_wait_here(tmp_path, monkeypatch, behind, fewer):
    # Whether bytes wait depends on how busy the machine is; each GET is looked at by itself.
    monkeypatch.setattr(Receiver, "behind", lambda _: behind)
    eager = replace(TUNING, width_step_seconds=0.0, most_workers=1)
    monkeypatch.setattr(width, "TUNING", eager)
    most = Slots.of(CONNECTIONS).requests
    with (
        serving(Archive(DATA)) as server,
        bringing(server.url, tmp_path, connections=CONNECTIONS, cache_size=0) as parts,
    ):
        assert parts.cache.useful() == most
        for number in range(READS):
            output = replace(output_of_bytes(DATA, root(DATA)), key=f"output-{number}")
            reader = parts.reader(output)
            assert bytes(reader.pread(len(DATA), 0)) == DATA
            reader.close()
        assert (parts.cache.useful() < most) == fewer
