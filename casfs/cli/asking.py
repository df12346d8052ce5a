"""Refreshes the list that a command shows: a refusal fails the command, silence marks it stale."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from casfs.errors import DeniedError

if TYPE_CHECKING:
    from casfs.client import Client

_LONGEST_AGE = 1e9
"""Seconds; no list that casfs stored is older."""


@dataclass(frozen=True)
class Asked:
    """How the service answered the request for a list.

    Attributes:
        refusal: why it refused; the known list is shown all the same, and the command fails.
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
    # Infinite if unknown: the clock was wrong when the list was stored.
    as_of = datetime.now(UTC) - timedelta(seconds=age) if age < _LONGEST_AGE else None
    return Asked(
        stale={"stale": True, "as_of": as_of.isoformat(timespec="seconds") if as_of else None}
    )
