"""How many GETs may be under way."""

from dataclasses import dataclass

from casfs.blocks.block_tuning import TUNING


@dataclass(frozen=True, slots=True)
class Slots:
    """How many GETs may be under way.

    Attributes:
        bodies: bodies that are received at a time. As many blocks of whole-body transfers may be
            received beside them.
        requests: requests of what is prefetched, more than bodies: they wait for their first byte
            while the bodies of others come, so that latency costs nothing.
        reserve: bodies, and requests, more of what somebody waits for: none of what is prefetched
            holds their place.
    """

    bodies: int
    requests: int
    reserve: int

    @classmethod
    def of(cls, connections: int) -> "Slots":
        """Return them for so many bodies at a time."""
        more = -(-connections // TUNING.overlap)
        return cls(connections, connections + more, -(-connections // TUNING.reserve_connections))
