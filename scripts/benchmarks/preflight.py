"""Before anything is measured: is casfs right about bytes, and the origin about its lines?"""

import errno
from collections.abc import Mapping

import requests

from benchmarks import measure, peers
from benchmarks.bench import MIB, Bench
from benchmarks.contents import Output
from benchmarks.lines import CLOUD
from benchmarks.mounts import Mount
from benchmarks.origin import Scheme
from benchmarks.processes import BenchmarkError

_SIZES = (MIB, 4 * MIB, 8 * MIB)
"""What casfs asks for at once."""
_EARLIEST = 0.95
_TIMEOUT = 30.0


def check(bench: Bench) -> None:
    """Prove that what will be measured verifies, over lines that are what they are said to be.

    Raises:
        BenchmarkError: it does not.
    """
    contents = bench.origin.contents
    sizes = [("bad", 4 * MIB), ("good", 20 * MIB + 5)]
    bad, good = contents.add_vault("preflight", sizes)
    contents.damage(bad)
    for scheme in Scheme:
        # Damage makes casfs ask again; here, twice is enough.
        endpoint = bench.over(scheme).origin.fast
        with bench.casfs(endpoint, settings={"CASFS_ATTEMPTS": "2"}) as mount:
            if mount.file(good).read_bytes() != contents.path(good).read_bytes():
                raise BenchmarkError("casfs read other bytes than the origin has")
            mount.check()
            _check_refused(mount, bad)
        _check_line(peers.url(bench.over(scheme).origin.cloud, good))
    _check_protocol(bench.origin.counters())
    contents.drop([bad, good])


def _check_refused(mount: Mount, damaged: Output) -> None:
    try:
        mount.file(damaged).read_bytes()
    except OSError as error:
        if error.errno != errno.EIO:
            raise BenchmarkError(f"casfs met damage with {error}, not EIO") from error
    else:
        raise BenchmarkError("casfs handed out damaged bytes")


def _check_line(address: str) -> None:
    """Raise an error if an answer comes sooner than the cloud's line allows, even the first one."""
    for size in _SIZES:
        with requests.Session() as session:
            for _ in range(2):
                with measure.stopwatch() as seconds:
                    session.get(address, headers={"Range": f"bytes=0-{size - 1}"}, timeout=_TIMEOUT)
                least = CLOUD.latency + size / CLOUD.rate
                if seconds() < _EARLIEST * least:
                    raise BenchmarkError(
                        f"{size // MIB} MiB came in {seconds():.3f} s, which should take "
                        f"{least:.3f} s: this kernel does not pace TCP connections"
                    )


def _check_protocol(counters: Mapping[str, int]) -> None:
    told = [name for name in counters if name.startswith("requests over ")]
    if not told or not all(name.startswith("requests over TLSv1.3 ") for name in told):
        raise BenchmarkError(f"the origin was not asked over TLS 1.3: {told}")
