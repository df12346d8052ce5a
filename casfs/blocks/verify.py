"""How sure we are of a block, and what that says of another that comes for it."""

from enum import Enum, IntEnum, auto


class Trust(IntEnum):
    """How sure we are of a block."""

    UNKNOWN = 0
    """Nothing was received."""
    UNCHECKED = 1
    """It came with the right length and no hash of its own."""
    CHECKED = 2
    """It came in an answer that matched its tree hash."""
    WHOLE = 3
    """The output as a whole matched its tree hash."""


class Verdict(Enum):
    """What the known leaf of a block says of bytes that came for it."""

    GOOD = auto()
    """They are the first ones, or the same again."""
    WRONG = auto()
    """They are not what was vouched for better than they are."""
    DOUBTFUL = auto()
    """They differ from bytes that may have been handed on, and either may be wrong."""
    LATE = auto()
    """They were asked for before what was handed on was found to be wrong; others have come since,
    or will come."""


class Forgiven(IntEnum):
    """What was forgotten so far because the output as a whole was not what it should be."""

    NOTHING = 0
    UNVOUCHED = 4
    """The leaves that no answer's hash vouched for."""
    EVERYTHING = 5
    """All leaves, since those that were vouched for contradict the output's hash as well."""
