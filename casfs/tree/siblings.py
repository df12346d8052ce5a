"""Fetches the outputs that a program which walks through a vault will open next.

Lock order: the one lock guards walks and orders, and is innermost.
"""

import logging
import threading

from casfs.blocks.fetch import Fetcher
from casfs.service.base import Job
from casfs.tree.account import Account
from casfs.tree.names import to_file_name
from casfs.tree.walk import Walks

log = logging.getLogger(__name__)


class Siblings:
    """The outputs beside the one that is opened.

    Args:
        account: knows them, and their order.
        fetcher: fetches them.
    """

    def __init__(self, account: Account, fetcher: Fetcher) -> None:
        self._account = account
        self._fetcher = fetcher
        self._lock = threading.Lock()
        self._walks: dict[str, Walks] = {}
        self._orders: dict[str, tuple[dict[str, int], list[str], dict[str, int]]] = {}

    def opened(self, job: Job) -> None:
        """Note that a job's output is opened, and fetch what is likely to be opened next."""
        names, places = self._order(job.vault)
        place = places.get(to_file_name(job.id))
        if place is None:
            return
        with self._lock:
            walks = self._walks.setdefault(job.vault, Walks())
            run = walks.opened(place, len(names))
        room = self._fetcher.window()
        for index in run:
            try:
                output = self._account.known_output(job.vault, names[index])
                if output is not None and room > 0:
                    room -= self._fetcher.fetch_ahead(output, self._fetcher.largest_get())
            except OSError as error:
                # Whoever opens it will be told.
                log.info("%s of %s is not fetched ahead: %s", names[index], job.vault, error)

    def _order(self, vault: str) -> tuple[list[str], dict[str, int]]:
        """Return the names of a vault's jobs in the order of a listing, and each one's place."""
        listed = self._account.listed_jobs(vault)
        with self._lock:
            known = self._orders.get(vault)
        if known is None or known[0] is not listed:
            names = list(listed)
            known = (listed, names, {name: place for place, name in enumerate(names)})
            with self._lock:
                self._orders[vault] = known
        return known[1], known[2]
