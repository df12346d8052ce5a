"""Before anything is measured: does casfs read the right bytes, and refuse wrong ones?"""

import errno

from benchmarks.bench import MIB, Bench
from benchmarks.contents import Output
from benchmarks.mounts import Mount
from benchmarks.processes import BenchmarkError


def check(bench: Bench) -> None:
    """Prove that what will be measured verifies.

    Raises:
        BenchmarkError: it does not.
    """
    contents = bench.origin.contents
    sizes = [("bad", 4 * MIB), ("good", 20 * MIB + 5)]
    bad, good = contents.add_vault("preflight", sizes)
    contents.damage(bad)
    # Damage makes casfs ask again; here, twice is enough.
    with bench.casfs(bench.origin.fast, settings={"CASFS_ATTEMPTS": "2"}) as mount:
        if mount.file(good).read_bytes() != contents.path(good).read_bytes():
            raise BenchmarkError("casfs read other bytes than the origin has")
        mount.check()
        _check_refused(mount, bad)
    contents.drop([bad, good])


def _check_refused(mount: Mount, damaged: Output) -> None:
    try:
        mount.file(damaged).read_bytes()
    except OSError as error:
        if error.errno != errno.EIO:
            raise BenchmarkError(f"casfs met damage with {error}, not EIO") from error
    else:
        raise BenchmarkError("casfs handed out damaged bytes")
