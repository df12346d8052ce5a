"""Writes the output of an inventory job, once it completes; the dialect formats it."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Protocol, TextIO

from casfs.emulator.engine.records import Archive, Job, Vault
from casfs.emulator.engine.store import Store
from casfs.emulator.rules import Rules


class Form(Protocol):
    """Formats an inventory as its dialect does."""

    def write_inventory(
        self, output: TextIO, vault: Vault, job: Job, archives: Iterator[Archive]
    ) -> None:
        """Write the archives of a vault in the format that the job requests."""


def write(store: Store, job: Job, form: Form, rules: Rules, inclusive: bool) -> None:
    """Write the output of a completed inventory job, and record its size and continuation.

    It lists the vault as it was when the job completed, no matter when this is called.

    Args:
        store: has the archives and gets the output.
        job: the job.
        form: formats the inventory.
        rules: the fixed rules of the service.
        inclusive: whether a marker names the first archive to list or the one before it.
    """
    start = -math.inf if job.start is None else job.start
    end = math.inf if job.end is None else job.end
    if not rules.includes_end_date:
        end = math.nextafter(end, -math.inf)
    found = store.archives_at(job.vault, job.completed, start, end, job.marker or "", inclusive)
    last = ""

    def listed() -> Iterator[Archive]:
        nonlocal last
        for archive in islice(found, job.item_limit or rules.inventory_limit):
            last = archive.id
            yield archive

    file, vault = store.inventories / job.id, store.vault(job.vault)
    if vault is None:
        raise ValueError(f"the vault of job {job.id} does not exist: {job.vault}")
    with file.open("w", encoding="utf-8", newline="") as output:
        form.write_inventory(output, vault, job, listed())
    more = next(found, None)
    continuation = None
    if more is not None:
        continuation = more.id if inclusive else last
    with store.writing():
        store.take_inventory(job.vault, job.completed)
        store.jobs.set_inventory(job.id, file.stat().st_size, continuation)
