"""Why a signature is refused, in words of no particular service."""

from enum import Enum, auto


class Flaw(Enum):
    """What is wrong with a signature."""

    MISSING = auto()
    UNKNOWN_KEY = auto()
    EXPIRED = auto()
    WRONG = auto()


class SignatureError(Exception):
    """The request is not signed as it must be."""

    def __init__(self, flaw: Flaw, text: str) -> None:
        super().__init__(text)
        self.flaw = flaw
