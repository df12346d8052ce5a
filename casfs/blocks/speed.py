"""How fast blocks come."""

import time
from dataclasses import replace

from casfs.service.answers import Body


class Speed:
    """How fast the blocks of a GET come, over all its attempts.

    Attributes:
        received: blocks that came.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.received = 0

    def watch(self, body: Body) -> Body:
        """Return the same body; what is read from it counts."""

        def read_into(memory: memoryview) -> None:
            body.read_into(memory)
            self.received += 1

        return replace(body, read_into=read_into)

    def seconds_per_block(self) -> float:
        """Return the seconds that each of the blocks took that came."""
        return (time.monotonic() - self._started) / self.received
