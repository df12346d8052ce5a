"""Random: 4 KiB at random places of a large output, over the cloud's network."""

import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import requests

from benchmarks import measure, peers
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.measure import Comparison, Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.origin import Origin
from benchmarks.peers import DEFAULT, FULL, STREAMS_8

_READ = 4096
_READS = 100
_SEED = 42
_GET = "GET of 1 MiB"
_CURL = "curl, the same GETs"
_P50 = "p50"
_P95 = "p95"
_FETCHED = "fetched"
_CPU = "cpu"
_SETTLING = 0.5
_TIMEOUT = 30.0


def run(bench: Bench) -> Result:
    """Compare latencies, and what is fetched for each read that misses."""
    size = bench.size(2 * GIB)
    (output,) = bench.origin.contents.add_vault("random", [("large", size)])
    bench.origin.contents.pin([output])
    # Every place in a block of its own: each read misses.
    count = min(bench.count(_READS), size // MIB)
    blocks = random.Random(_SEED).sample(range(size // MIB), count)  # noqa: S311 (no secret)
    address = peers.url(bench.origin.cloud, output)

    def mounted(mounting: Callable[[], AbstractContextManager[Mount]]) -> Measures:
        before = _sent(bench.origin)
        with mounting() as mount:
            with mount.processor_time() as cpu:
                seconds = _read_each(mount.file(output), blocks)
            mount.check()
        # An answer counts when it ends, which for some is when the mount goes away.
        fetched = (_sent(bench.origin) - before) / len(blocks)
        return {**_measures(seconds, fetched), _CPU: cpu() / len(blocks) * 1e3}

    def get() -> Measures:
        """Fetch the blocks with the fewest means: one kept connection, no file system."""
        seconds = []
        with requests.Session() as session:
            for block in blocks:
                span = f"bytes={block * MIB}-{(block + 1) * MIB - 1}"
                with measure.stopwatch() as passed:
                    session.get(address, headers={"Range": span}, timeout=_TIMEOUT).content  # noqa: B018
                seconds.append(passed())
        return _measures(seconds, MIB)

    def curl() -> Measures:
        """Fetch the blocks with one curl, which keeps its connection."""
        with bench.temporary() as folder:
            spans = [(block * MIB, MIB) for block in blocks]
            command = peers.curl_ranges(address, spans, folder / "curl.conf")
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return _measures([float(line) for line in told.splitlines()], MIB)

    endpoint = bench.origin.cloud
    contestants: dict[str, Callable[[], Measures]] = {
        CASFS: partial(mounted, partial(bench.casfs, endpoint)),
        DEFAULT.name: partial(mounted, partial(bench.rclone, DEFAULT, endpoint)),
        FULL.name: partial(mounted, partial(bench.rclone, FULL, endpoint)),
        STREAMS_8.name: partial(mounted, partial(bench.rclone, STREAMS_8, endpoint)),
        _GET: get,
        _CURL: curl,
    }
    found = bench.compare(
        contestants,
        {
            _P50: ("half of the reads within", Unit.MILLISECONDS),
            _P95: ("95 % of the reads within", Unit.MILLISECONDS),
            _FETCHED: ("fetched for each read that misses", Unit.MIB),
            _CPU: ("processor time of the mount for each read", Unit.MILLISECONDS),
        },
    )
    bench.origin.contents.drop([output])
    return Result(
        "random",
        f"{len(blocks)} reads of 4 KiB in {size // MIB} MiB, cloud network",
        list(found.values()),
        _goals(found),
    )


def _goals(found: dict[str, Comparison]) -> list[Goal]:
    ours = found[_P50]
    return [
        Goal("p50 / GET of 1 MiB", ours.median(CASFS) / ours.median(_GET), 1.15, at_least=False),
        Goal("MiB fetched / missed read", found[_FETCHED].median(CASFS), 1.0, at_least=False),
    ]


def _sent(origin: Origin) -> int:
    """Return the bytes of outputs that the origin has sent, once no more are added."""
    before = -1
    while True:
        counters = origin.counters()
        now = counters.get("bytes output", 0) + counters.get("bytes file", 0)
        if now == before:
            return now
        before = now
        time.sleep(_SETTLING)


def _read_each(path: Path, blocks: list[int]) -> list[float]:
    """Read 4 KiB of each block of a file; return the seconds of each."""
    file = os.open(path, os.O_RDONLY)
    try:
        seconds = []
        for block in blocks:
            with measure.stopwatch() as passed:
                os.pread(file, _READ, block * MIB + MIB // 2)
            seconds.append(passed())
        return seconds
    finally:
        os.close(file)


def _measures(seconds: list[float], fetched: float) -> Measures:
    return {
        _P50: statistics.median(seconds) * 1e3,
        _P95: statistics.quantiles(seconds, n=20)[-1] * 1e3,
        _FETCHED: fetched / MIB,
    }
