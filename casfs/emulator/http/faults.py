"""What goes wrong on purpose, and when: a draw for each request that can be drawn again.

Faults of the connection or the service hit any call, unless they are limited to outputs:

    reset                 the connection is reset before an answer (TCP RST)
    throttle              the request is refused as one too many
    error-500             the service fails
    stall                 headers and half of the body, then nothing until the caller goes away

Faults of an output hit only answers that have what they spoil:

    wrong-byte            one byte of the body is another
    cut-body              the connection is closed after half of the body
    ignore-range          a range is answered with the whole output, as 200
    wrong-content-range   the answer says that its bytes are from another place
    wrong-hash            the tree hash of the answer is another
    missing-hash          the answer has no tree hash
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from casfs.emulator.engine.selection import Selection
from casfs.emulator.settings import Fault

BEFORE = ("reset", "throttle", "error-500")
"""Faults that come instead of an answer."""

OF_OUTPUT = (
    "ignore-range",
    "wrong-content-range",
    "wrong-hash",
    "missing-hash",
    "wrong-byte",
    "cut-body",
)
"""Faults that only an output can have."""

NAMES = (*BEFORE, "stall", *OF_OUTPUT)
"""All faults, in the order in which they are drawn: the first that hits is the one."""


class Faults:
    """Draws the faults of each request.

    A draw depends on the seed, the request and how often this request came before, and on nothing
    else: requests that overtake each other meet the same faults in every run.

    Args:
        faults: what can go wrong.
        seed: of all draws.
    """

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._faults = sorted(faults, key=lambda fault: NAMES.index(fault.name))
        self._seed = seed
        self._seen: Counter[int] = Counter()

    def draw(self, request: str, is_output: bool) -> tuple[str, ...]:
        """Return the names of the faults that a request is to meet, if they fit its answer.

        Args:
            request: what makes two requests the same: method, path, range.
            is_output: whether it reads the output of a job.
        """
        if not self._faults:
            return ()
        key = hash(request)
        times = self._seen[key]
        self._seen[key] += 1
        dice = Random(f"{self._seed} {times} {request}")  # noqa: S311 - nothing secret is drawn
        hits = [(fault, dice.random() < fault.probability) for fault in self._faults]
        return tuple(
            fault.name
            for fault, hit in hits
            if hit
            and (fault.times is None or times < fault.times)
            and (is_output or not (fault.output_only or fault.name in OF_OUTPUT))
        )


def spoil(selection: Selection, names: Sequence[str]) -> tuple[Selection, str | None]:
    """Apply the first of the drawn faults that this output can have.

    Returns:
        What to answer instead, and the name of the fault; the faults of the body (`stall`,
        `wrong-byte`, `cut-body`) are left to the one who sends it.
    """
    for name in names:
        if name in {"stall", "cut-body", "wrong-byte"}:
            return selection, name
        if name == "ignore-range" and selection.is_part:
            return selection.whole(), name
        if name == "wrong-content-range" and selection.is_part:
            return replace(selection, shift=1), name
        if name == "wrong-hash" and selection.tree_hash is not None:
            wrong = bytes([selection.tree_hash[0] ^ 1]) + selection.tree_hash[1:]
            return replace(selection, tree_hash=wrong), name
        if name == "missing-hash" and selection.tree_hash is not None:
            return replace(selection, tree_hash=None), name
    return selection, None
