"""Outputs are fetched into files, as many as there are."""

import os

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.output_files import OutputFiles, PartStores
from casfs.blocks.read_limits import ReadLimits
from casfs.blocks.write_through import WriteThrough
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, renamed, root
from tests.support.blocks import bringing
from tests.support.server import serving

FILES = 12


def test_files_that_are_whole_are_not_kept_open(tmp_path):
    """The memory has room for the blocks of all; descriptors are what a vault runs out of."""
    for size in (1000, 2 * MIB + 1):
        data = random_bytes(size)
        output = output_of_bytes(data, root(data))
        destination = tmp_path / str(size)
        destination.mkdir()
        directory = os.open(destination, os.O_RDONLY)
        with serving(Archive(data)) as server, bringing(server.url, tmp_path / "cache") as made:
            parts = PartStores(made.disk, made.metrics)
            limits = ReadLimits(64 * MIB, connections=4, deadline=30)
            cache = BlockCache(made.service, parts, WriteThrough(None), limits, made.metrics)
            with OutputFiles(cache, parts, made.metrics) as files:
                opened = []
                for number in range(FILES):
                    one = renamed(output, "j", f"{number:032}" + 32 * "0")
                    filling = files.fill(one, files.place(directory, one, "a.bin"))
                    filled = filling.run(lambda size: None, lambda file: None)
                    assert (filled.fetched, filled.copied, filled.verified) == (size, 0, "yes")
                    del filling
                    opened.append(len(os.listdir("/proc/self/fd")))
                assert opened[-1] < opened[0] + FILES // 2, opened
        os.close(directory)
        assert {path.read_bytes() for path in destination.glob("*.part")} == {data}
