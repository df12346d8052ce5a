"""The reasons for which a signature is refused, independent of the service."""

from enum import Enum, auto


class Flaw(Enum):
    """What is wrong with a signature."""

    MISSING = auto()
    UNKNOWN_KEY = auto()
    EXPIRED = auto()
    WRONG = auto()


class SignatureError(Exception):
    """A request has no valid signature."""

    def __init__(self, flaw: Flaw, text: str) -> None:
        super().__init__(text)
        self.flaw = flaw
