"""Records of an inventory that cannot be read, and what happens to them."""

from collections.abc import Callable
from typing import NamedTuple, NoReturn

from casfs.errors import InventoryError

_AT_ONCE = 5000
"""The most identifiers kept at a time: an inventory may be bad from beginning to end."""


class BadRecord(NamedTuple):
    """A record that cannot be read.

    Attributes:
        reason: which one it is and what is wrong with it, as the beginning of a message.
        id: the identifier of its archive, None if that cannot be read either.
    """

    reason: str
    id: str | None = None


OnBad = Callable[[BadRecord], object]
"""Is called with each bad record, in order; what it raises ends the reading."""


def refuse(bad: BadRecord) -> NoReturn:
    """Reject the inventory for a bad record: without it, the list would be silently shorter.

    Raises:
        InventoryError: always.
    """
    raise InventoryError(
        f"{bad.reason}; `output` has it as it came, and --skip-bad-records leaves it out"
    )


class BadRecords:
    """Counts bad records, and collects the identifiers of their archives until somebody takes them.

    Attributes:
        count: how many there were so far.
        first: what is wrong with the first of them, "" if there is none.
        on_many: is called when there are many identifiers to take.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first = ""
        self.on_many: Callable[[], None] = lambda: None
        self._ids: list[str] = []

    def note(self, bad: BadRecord) -> None:
        """Count a bad record."""
        self.first = self.first or bad.reason
        self.count += 1
        if bad.id is not None:
            self._ids.append(bad.id)
            if len(self._ids) >= _AT_ONCE:
                self.on_many()

    def take_ids(self) -> list[str]:
        """Return the identifiers that came since they were last taken."""
        taken, self._ids = self._ids, []
        return taken


def records_text(count: int) -> str:
    """Return a count of records in words."""
    return "1 record" if count == 1 else f"{count} records"
