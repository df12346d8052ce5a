"""How much may be requested again, of what is lost while a restore goes on."""

from casfs.restore.preparing import Prepared
from casfs.restore.prices import Load
from casfs.restore.request_options import Options

EXHAUSTED = (
    "requesting again all that was lost would exceed what the plan allows; the same command shows "
    "a new plan"
)


class Rerequests:
    """What `--rerequest yes` agrees to: to as much as the plan says, and no more.

    That is everything once more, or what `--max-cost` allows, which is checked with each request.

    Args:
        prepared: the plan to which the user agreed.
        options: how archives are requested.
    """

    def __init__(self, prepared: Prepared, options: Options) -> None:
        self._left = most_again(prepared, options)

    def take(self, lost: Load) -> bool:
        """Return whether what is lost may be requested again; it counts from then on."""
        left = self._left
        if left is None:
            return True
        if lost.jobs > left.jobs:
            return False
        if left.bytes is not None and (lost.bytes is None or lost.bytes > left.bytes):
            return False
        size = None if left.bytes is None else left.bytes - (lost.bytes or 0)
        self._left = Load(left.tier, left.jobs - lost.jobs, size, left.gets)
        return True


def most_again(prepared: Prepared, options: Options) -> Load | None:
    """Return the most that `--rerequest yes` requests again; None if `--max-cost` limits it."""
    return prepared.plan.load_lost(options.tier.value) if options.max_cost is None else None
