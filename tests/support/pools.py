"""What the threads and queues of a pool look like from outside."""

from casfs.blocks.gets.pool import Pool


def threads_of(pool: Pool) -> int:
    """How many threads there are."""
    with pool._changed:
        return len(pool._workers)


def waiting_in(pool: Pool) -> int:
    """How many tasks wait for their turn."""
    with pool._changed:
        return len(pool._urgent) + len(pool._later)


def join(pool: Pool, seconds: float) -> None:
    """Wait for the threads of a closed pool, at most that long for each."""
    for worker in pool._workers:
        worker.join(seconds)
