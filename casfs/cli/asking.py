"""Asks the service for the list that a command shows: a refusal fails it, silence marks it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from casfs.errors import DeniedError

if TYPE_CHECKING:
    from casfs.client import Client

_LONGEST_AGE = 1e9
"""Seconds; an older list than that was not noted by casfs."""


@dataclass(frozen=True)
class Asked:
    """What the service said to the request for a list.

    Attributes:
        refusal: why it refuses us; the known list is shown all the same, and the command fails.
        stale: for each entry in JSON if the service did not answer: `stale`, and `as_of`.
    """

    refusal: DeniedError | None = None
    stale: dict[str, Any] = field(default_factory=dict)

    def finish(self) -> None:
        """End a command that has shown the list.

        Raises:
            DeniedError: the service refuses us.
        """
        if self.refusal is not None:
            raise self.refusal


def asked(client: "Client", vault: str | None = None) -> Asked:
    """Ask for the vaults, or the jobs of one, however fresh the known list is.

    Raises:
        NotFoundError: there is no such vault.
        CasfsError: nothing is known, and the service failed.
    """
    try:
        age = client.ask(vault)
    except DeniedError as refusal:
        return Asked(refusal)
    if age is None:
        return Asked()
    # Infinite where nobody knows it: the clock was wrong when the list was noted.
    as_of = datetime.now(UTC) - timedelta(seconds=age) if age < _LONGEST_AGE else None
    return Asked(
        stale={"stale": True, "as_of": as_of.isoformat(timespec="seconds") if as_of else None}
    )
