"""What a vault held, written once when an inventory job completes; the dialect gives the form."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Protocol, TextIO

from casfs.emulator.engine.records import Archive, Job, Vault
from casfs.emulator.engine.rules import Rules
from casfs.emulator.engine.store import Store


class Form(Protocol):
    """How a dialect writes an inventory."""

    def write_inventory(
        self, output: TextIO, vault: Vault, job: Job, archives: Iterator[Archive]
    ) -> None:
        """Write the archives of a vault in the format that the job asks for."""


def write(store: Store, job: Job, form: Form, rules: Rules, inclusive: bool) -> None:
    """Write the output of a complete inventory job and note its size and continuation.

    The content is the vault as it was at the job's completion, however late this is called.

    Args:
        store: where the archives are and the output goes.
        job: the job.
        form: writes the archives.
        rules: what the service fixes.
        inclusive: whether a marker names the first archive to list, or the one before it.
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
        raise ValueError(f"job {job.id} is of a vault that is not there: {job.vault}")
    with file.open("w", encoding="utf-8", newline="") as output:
        form.write_inventory(output, vault, job, listed())
    more = next(found, None)
    continuation = None
    if more is not None:
        continuation = more.id if inclusive else last
    with store.writing():
        store.take_inventory(job.vault, job.completed)
        store.set_inventory(job.id, file.stat().st_size, continuation)
