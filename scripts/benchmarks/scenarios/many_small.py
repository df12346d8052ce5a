"""Many small: thousands of small outputs, read by tools that take one file after the other."""

from pathlib import Path

from benchmarks import measure, peers
from benchmarks.bench import CASFS, GIB, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT, FULL, STREAMS_8
from benchmarks.processes import BenchmarkError

_OUTPUTS = 2000
_SIZE = 64 << 10
_RSYNC = "rsync"
_TAR = "tar"
_CPU = "cpu"
_CURL = "curl, 8 at once"
_VAULT = "small"


def run(bench: Bench) -> Result:
    """Compare `rsync -a` and `tar` of a folder; each on a cold mount."""
    count = bench.count(_OUTPUTS)
    outputs = bench.origin.contents.add_vault(
        _VAULT, [(f"job-{number:05d}", _SIZE) for number in range(count)]
    )
    bench.origin.contents.pin(outputs)
    endpoint = bench.origin.cloud

    def rsync(mount: Mount) -> Measures:
        with bench.temporary() as target:
            source = f"{mount.folder(_VAULT)}/"
            with mount.processor_time() as cpu:
                seconds = measure.run_seconds(["rsync", "-a", source, f"{target}/"])
            _check_complete(target, count)
            return {_RSYNC: seconds, _CPU: cpu() * GIB / (count * _SIZE)}

    def tar(mount: Mount) -> Measures:
        with bench.temporary() as target:
            folder = str(mount.folder(_VAULT))
            # Into a file: GNU tar reads nothing when it writes to /dev/null.
            archive = target / "all.tar"
            seconds = measure.run_seconds(["tar", "-cf", archive, "-C", folder, "."])
            return {_TAR: seconds}

    def curl() -> Measures:
        """Fetch what no tool has to find first: what the line allows."""
        with bench.temporary() as folder:
            target = folder / "outputs"
            target.mkdir()
            seconds = measure.run_seconds(peers.curl_all(endpoint, outputs, target))
            _check_complete(target, count)
            return {_RSYNC: seconds}

    modes = (DEFAULT, FULL, STREAMS_8)
    found = bench.compare(
        bench.contestants(endpoint, modes, rsync) | {_CURL: curl},
        {
            _RSYNC: ("rsync", Unit.SECONDS),
            _CPU: ("processor time of the mount during rsync", Unit.CPU_PER_GIB),
        },
    ) | bench.compare(bench.contestants(endpoint, (DEFAULT,), tar), {_TAR: ("tar", Unit.SECONDS)})
    bench.origin.contents.drop(outputs)
    return Result(
        "many-small",
        f"{count} outputs of 64 KiB, cloud network",
        list(found.values()),
        [
            Goal(f"{what}: {CASFS} / rclone", found[what].ratio(DEFAULT.name), 6.0)
            for what in (_RSYNC, _TAR)
        ],
    )


def _check_complete(folder: Path, count: int) -> None:
    copied = sum(1 for file in folder.rglob("*") if file.is_file() and file.stat().st_size == _SIZE)
    if copied != count:
        raise BenchmarkError(f"{copied} of {count} outputs were copied")
