"""What reading may take of the machine and the line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What reading may take.

    Attributes:
        memory: bytes of blocks in memory, those being received and written included.
        connections: bodies of GETs received at a time.
        deadline: seconds that a GET, or a reader's wait, may take.
    """

    memory: int
    connections: int
    deadline: float
