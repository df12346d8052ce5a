"""A job that an output is read from."""

from casfs.blocks.passes import Passing


class OpenSource:
    """A source of an output that is being read.

    Attributes:
        passing: the pass over the job's output, where that comes in one piece.
    """

    def __init__(self) -> None:
        self.passing = Passing()
