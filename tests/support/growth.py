"""Measures how the work of a parser grows with its input."""

import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

SMALL, LARGE = 2 << 10, 16 << 10
"""Lengths that are compared: linear work takes eight times as long, quadratic sixty-four times."""

_RATIO = 24.0
_LEAST_SECONDS = 0.0005
"""Shorter times say more about the clock than about the work."""
_RUNS = 3
_TRIES = 4

_WORDS = r"""
    \" "" ": "," {} }, [] \u \ud800 %2F %25 .. ./ // a/ c:\ {{{{{ [[[[[ {"a": NaN 1e9 1.5
    <m> </m> <v>4</v> <p> </p> <lm> <ArchiveMetadata> eyJ grsync| |1| |1 +A- +- -- -s1
    SHA1-- SHA256E-s1 WORM URL--a UTCDateModified path "path":" "UTCDateModified":"
    ~20190412T081530Z~ .compressed .encrypted by-id ,0 ,a ,2019-04-12T08:15:30Z
    bytes= 0-1/ 1- GMT +00:00 security-token {"ArchiveId":"a"},
"""
_TOKENS = [
    *'"\\<>/{}[]():;,.~%|+-=!*# \t\n\r\0aA09fFzTZé照\x85\u202e\ud800\udc85\U0001f600',
    *_WORDS.split(),
    *("< ", "< /", "mt2 ", "mt1 ", "Fri, 12 Apr 2019", "a,b,2019-04-12,1\n", "\r\n"),
    *("MD5--" + "a" * 32 + ".", "~" + "a" * 32, "0" * 64),
]
pumps = st.tuples(
    st.lists(st.sampled_from(_TOKENS), max_size=4).map("".join),
    st.lists(st.sampled_from(_TOKENS), min_size=1, max_size=3).map("".join),
    st.lists(st.sampled_from(_TOKENS), max_size=3).map("".join),
)
"""What a long text begins with, what it repeats, and what it ends in."""


def pumped(pump: tuple[str, str, str], length: int) -> str:
    """Return a text of about this length."""
    first, again, last = pump
    return first + again * (length // len(again)) + last


def assert_linear(parse: Callable[[T], object], make: Callable[[int], T]) -> None:
    """Fail if work grows faster than its input.

    Args:
        parse: the work; what it raises is no failure here, but it must be a clear error.
        make: returns an input of about this length.
    """
    small, large = make(SMALL), make(LARGE)
    ratio = 0.0
    for _ in range(_TRIES):
        ratio = _seconds(parse, large) / max(_seconds(parse, small), _LEAST_SECONDS)
        if ratio < _RATIO:
            return
    raise AssertionError(f"{LARGE // SMALL} times the input took {ratio:.0f} times the work")


def _seconds(parse: Callable[[T], object], value: T) -> float:
    times = []
    for _ in range(_RUNS):
        begun = time.thread_time()
        parse(value)
        times.append(time.thread_time() - begun)
    return min(times)
