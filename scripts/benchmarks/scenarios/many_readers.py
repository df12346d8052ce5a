"""Many readers: 16 at once on 4 outputs, each reading all, or every fourth MiB."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT, FULL

_OUTPUTS = 4
_READERS = 16
_EACH = _READERS // _OUTPUTS
_SEQUENTIAL = "sequential"
_INTERLEAVED = "interleaved"


def run(bench: Bench) -> Result:
    """Compare how fast all readers together get their bytes; each turn on a cold mount."""
    size = bench.size(GIB // 2)
    outputs = bench.origin.contents.add_vault(
        "readers", [(f"job-{number}", size) for number in range(_OUTPUTS)]
    )
    bench.origin.contents.pin(outputs)

    def all_read(step: int, what: str, mount: Mount) -> Measures:
        files = [mount.file(output) for output in outputs]
        with measure.stopwatch() as seconds, ThreadPoolExecutor(_READERS) as pool:
            readers = [
                pool.submit(_read, file, number if step > 1 else 0, step)
                for number in range(_EACH)
                for file in files
            ]
            read = sum(reader.result() for reader in readers)
        return {what: measure.megabytes(read) / seconds()}

    found = {
        what: comparison
        for step, what, title in (
            (1, _SEQUENTIAL, "sequential: each reads all of an output"),
            (_EACH, _INTERLEAVED, f"interleaved: each reads every {_EACH}th MiB of an output"),
        )
        for what, comparison in bench.compare(
            bench.contestants(bench.origin.fast, (DEFAULT, FULL), partial(all_read, step, what)),
            {what: (title, Unit.MB_PER_SECOND)},
        ).items()
    }
    bench.origin.contents.drop(outputs)
    return Result(
        "many-readers",
        f"{_READERS} readers on {_OUTPUTS} outputs of {size // MIB} MiB, nothing cached",
        list(found.values()),
        [
            Goal(f"{what}: {CASFS} / {mode.name}", comparison.ratio(mode.name), 1.0)
            for what, comparison in found.items()
            for mode in (DEFAULT, FULL)
        ],
    )


def _read(path: Path, first: int, step: int) -> int:
    """Read every `step`th MiB of a file from MiB `first` on; return the bytes read."""
    buffer = memoryview(bytearray(MIB))
    total = 0
    file = os.open(path, os.O_RDONLY)
    try:
        for at in range(first * MIB, os.fstat(file).st_size, step * MIB):
            got = 0
            while got < MIB and (count := os.preadv(file, [buffer[got:]], at + got)):
                got += count
            total += got
        return total
    finally:
        os.close(file)
