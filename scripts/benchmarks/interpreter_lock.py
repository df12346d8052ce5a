"""What one process reaches on many cores, simulated.

Run it with `PYTHONPATH=scripts python -m benchmarks.interpreter_lock`.

Threads bring blocks. Each turn of a thread is some work under the interpreter lock, which one
thread has at a time, and some without it; both take a core. How long either takes for a GiB comes
from a profile: see "One process on many cores" in docs/performance.md.
"""

import heapq
import random
from collections import deque

import click

from benchmarks.bench import MIB

_BLOCKS = 4096
_GIB_BLOCKS = 1024


def rate(cores: int, locked: float, free: float, threads: int, turns: int) -> float:
    """Return the GiB/s of a process.

    Args:
        cores: that it has.
        locked: seconds of a core for a GiB, with the interpreter lock.
        free: the same, without it.
        threads: that bring blocks.
        turns: how often a block needs the lock.
    """
    dice = random.Random(1)  # noqa: S311 - a simulation
    means = (locked / _GIB_BLOCKS / turns, free / _GIB_BLOCKS / turns)
    # A thread needs the lock first, and then a core; it gives the core back while it waits.
    for_lock, for_core = deque(range(threads)), deque[tuple[int, int]]()
    running: list[tuple[float, int, int]] = []
    now, lock_is_free, idle, left = 0.0, True, cores, _BLOCKS * turns
    while left:
        if lock_is_free and for_lock:
            lock_is_free = False
            # Who has the lock runs first: all others may come to wait for it.
            for_core.appendleft((for_lock.popleft(), 0))
        while idle and for_core:
            thread, part = for_core.popleft()
            idle -= 1
            heapq.heappush(running, (now + dice.expovariate(1 / means[part]), thread, part))
        now, thread, part = heapq.heappop(running)
        idle += 1
        if part == 0:
            lock_is_free = True
            for_core.append((thread, 1))
        else:
            left -= 1
            for_lock.append(thread)
    return _BLOCKS * MIB / (1 << 30) / now


@click.command(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option("--locked", default=0.37, help="Seconds per GiB with the interpreter lock.")
@click.option("--free", default=2.1, help="Seconds per GiB without it.")
@click.option("--threads", default=24, help="Download threads.")
@click.option("--turns", default=12, help="How often each block needs the lock.")
def main(locked: float, free: float, threads: int, turns: int) -> None:
    """Print what a process reaches on some cores, and what share of its cores it can use."""
    click.echo("cores  GiB/s  of its cores")
    for cores in (1, 2, 3, 4, 6, 8, 12, 16):
        found = rate(cores, locked, free, threads, turns)
        click.echo(f"{cores:5}  {found:5.2f}  {found * (locked + free) / cores:12.0%}")


if __name__ == "__main__":
    main()
