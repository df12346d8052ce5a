"""Transfers that bring all of a job's output in one piece, and how far each of them has come.

Until its end has come, a transfer may turn out to be wrong as a whole. So what it has brought is
provisional, unless another one has brought the same, whose own end decides then.
"""

from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Transfer:
    """A transfer that is under way, or of which another attempt is to come.

    Attributes:
        run: the blocks that it brings, in this order.
        generation: of the leaves, in which it began.
    """

    run: range
    generation: int
    _reached: int = field(default=0, init=False)
    """Blocks that it has brought."""

    def brought(self, block: int) -> None:
        """Note that it has brought a block, and all before it."""
        self._reached = block + 1 - self.run.start

    def so_far(self) -> range:
        """Return the blocks that it has brought."""
        return self.run[: self._reached]

    def take_back(self) -> range:
        """Return the blocks that it has brought, and forget that: its end did not come."""
        brought, self._reached = self.so_far(), 0
        return brought


class Transfers:
    """The transfers of one store; the caller locks."""

    def __init__(self) -> None:
        self._all: set[Transfer] = set()

    def add(self, transfer: Transfer) -> None:
        """Expect a transfer from now on."""
        self._all.add(transfer)

    def remove(self, transfer: Transfer) -> None:
        """Expect a transfer no longer."""
        self._all.remove(transfer)

    def others(self, one: Transfer) -> list[range]:
        """Return what other transfers of the same generation have brought so far."""
        same = (other for other in self._all if other.generation == one.generation)
        return [other.so_far() for other in same if other is not one]

    def expected(self, run: range, generation: int) -> bool:
        """Return whether a transfer is expected that brings blocks of a run."""
        return any(
            one.generation == generation and one.run.start < run.stop and run.start < one.run.stop
            for one in self._all
        )
