"""Many small: thousands of small outputs, read by tools that take one file after the other."""

from pathlib import Path

from benchmarks import measure
from benchmarks.bench import CASFS, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT
from benchmarks.processes import BenchmarkError

_OUTPUTS = 2000
_SIZE = 64 << 10
_RSYNC = "rsync"
_TAR = "tar"
_VAULT = "small"


def run(bench: Bench) -> Result:
    """Compare `rsync -a` and `tar` of a folder; each on a cold mount."""
    count = bench.count(_OUTPUTS)
    outputs = bench.origin.contents.add_vault(
        _VAULT, [(f"job-{number:05d}", _SIZE) for number in range(count)]
    )
    bench.origin.contents.pin(outputs)

    def rsync(mount: Mount) -> Measures:
        with bench.temporary() as target:
            source = f"{mount.folder(_VAULT)}/"
            seconds = measure.run_seconds(["rsync", "-a", source, f"{target}/"])
            _check_complete(target, count)
            return {_RSYNC: seconds}

    def tar(mount: Mount) -> Measures:
        with bench.temporary() as target:
            folder = str(mount.folder(_VAULT))
            # Into a file: GNU tar reads nothing when it writes to /dev/null.
            archive = target / "all.tar"
            seconds = measure.run_seconds(["tar", "-cf", archive, "-C", folder, "."])
            return {_TAR: seconds}

    found = {
        what: comparison
        for run_tool, title in ((rsync, _RSYNC), (tar, _TAR))
        for what, comparison in bench.compare(
            bench.contestants(bench.origin.cloud, (DEFAULT,), run_tool),
            {title: (title, Unit.SECONDS)},
        ).items()
    }
    bench.origin.contents.drop(outputs)
    return Result(
        "many-small",
        f"{count} outputs of 64 KiB, cloud network",
        list(found.values()),
        [
            Goal(f"{what}: {CASFS} / rclone", comparison.ratio(DEFAULT.name), 6.0)
            for what, comparison in found.items()
        ],
    )


def _check_complete(folder: Path, count: int) -> None:
    copied = sum(1 for file in folder.rglob("*") if file.is_file() and file.stat().st_size == _SIZE)
    if copied != count:
        raise BenchmarkError(f"{copied} of {count} outputs were copied")
