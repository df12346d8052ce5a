"""When a run of fetching gives up."""

from casfs.client import FetchableOutput
from casfs.restore.fetch_queue import Ended, FetchQueue


def outputs(count):
    return [FetchableOutput("v", f"{n:03}", f"a{n}", None, None, 10, 10) for n in range(count)]


def work(queue, disk):
    """Fetch as a thread does; `disk` says which outputs are kept."""
    while (taken := queue.take()) is not None:
        kept = disk(int(taken.item.name))
        if not kept:
            queue.miss("the disk is broken")
        queue.end(taken, Ended(taken.item, "fetched" if kept else "failed"))
    queue.leave()


def test_a_disk_that_takes_nothing_ends_it_and_nothing_more_is_paid_for():
    queue = FetchQueue(outputs(100), "name", 1, 1)
    work(queue, lambda _: False)
    reasons = [one.reason for one in queue.ended()]
    assert len(reasons) == 100
    assert reasons.count("not tried: the disk is broken") == 98


def test_single_outputs_that_are_not_kept_do_not_end_it():
    queue = FetchQueue(outputs(100), "name", 1, 1)
    work(queue, lambda number: number % 2 == 0)
    fetched, failed, size = queue.counts()
    assert (fetched, failed, size) == (50, 50, 500)
