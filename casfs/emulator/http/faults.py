"""Injects faults; which request gets which fault is random, but reproducible.

Faults of the connection or the service affect any call, unless they are limited to outputs:

    reset                 the connection is reset before an answer (TCP RST)
    throttle              the request is throttled
    error-500             the service fails
    stall                 headers and half of the body, then nothing until the client disconnects

Faults that come after the call was handled, so that what it requests is done, affect any call, too.
Here requests for jobs are identical if they are for the same archive, range and tier:

    lost-answer           the connection is reset, and no answer is sent
    error-after           the service fails

Faults of an output affect only answers that have what they corrupt:

    wrong-byte            one byte of the body is wrong
    cut-body              the connection is closed after half of the body
    ignore-range          a range is answered with the whole output, as 200
    wrong-content-range   the answer claims another range
    wrong-hash            the tree hash of the answer is wrong
    missing-hash          the answer has no tree hash
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from casfs.emulator.engine.selection import Selection
from casfs.emulator.settings import Fault

BEFORE = ("reset", "throttle", "error-500")
"""Faults that replace the answer."""

AFTER = ("lost-answer", "error-after")
"""Faults that replace the answer after the call was handled."""

OF_OUTPUT = (
    "ignore-range",
    "wrong-content-range",
    "wrong-hash",
    "missing-hash",
    "wrong-byte",
    "cut-body",
)
"""Faults that affect only outputs."""

NAMES = (*BEFORE, *AFTER, "stall", *OF_OUTPUT)
"""All faults, in the order in which they are drawn; the first hit is applied."""


class Faults:
    """Draws the faults of each request.

    A draw depends only on the seed, the request, and how many identical requests came before, so
    requests get the same faults in every run even if they overtake each other.

    Args:
        faults: the faults to inject.
        seed: of the random numbers.
    """

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._faults = sorted(faults, key=lambda fault: NAMES.index(fault.name))
        self._seed = seed
        self._seen: Counter[int] = Counter()

    def draw(self, request: str, is_output: bool, is_post: bool = False) -> tuple[str, ...]:
        """Return the names of the faults to inject into a request, as far as its answer allows.

        Args:
            request: method, path and range; requests are identical if these are.
            is_output: whether it reads the output of a job.
            is_post: whether it starts a job.
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
            and (is_post or not fault.post_only)
        )


def spoil(selection: Selection, names: Sequence[str]) -> tuple[Selection, str | None]:
    """Apply the first of the drawn faults that can affect this output.

    Returns:
        What to answer instead, and the name of the fault. Faults of the body (`stall`,
        `wrong-byte`, `cut-body`) are left to the sender.
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
