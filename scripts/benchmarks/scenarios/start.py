"""Start: the processor time until a mount answers, and until `casfs --help` has ended."""

from benchmarks import mounts, processes
from benchmarks.bench import CASFS, Bench
from benchmarks.measure import Comparison, Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT

_MOUNT = "mount"
_HELP = "help"
_MOST = {_MOUNT: 0.4, _HELP: 0.15}


def run(bench: Bench) -> Result:
    """Mount an origin, and ask for help; each a few times, since both are short."""

    def start(mount: Mount) -> Measures:
        return {_MOUNT: processes.cpu_seconds(mount.process.pid)}

    def help_() -> Measures:
        with bench.temporary() as folder:
            usage = processes.run_measured(mounts.casfs_command("--help"), folder / "log")
        return {_HELP: usage.cpu}

    found: dict[str, Comparison] = bench.compare(
        bench.contestants(bench.origin.fast, (DEFAULT,), start),
        {_MOUNT: ("processor time of a mount until it answers", Unit.SECONDS)},
    ) | bench.compare({CASFS: help_}, {_HELP: ("processor time of casfs --help", Unit.SECONDS)})
    return Result(
        "start",
        "mounting, and showing help",
        list(found.values()),
        [
            Goal(f"CPU s of {what}", found[what].median(CASFS), most, at_least=False)
            for what, most in _MOST.items()
        ],
    )
