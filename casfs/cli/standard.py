"""The standard input, output and error of a command, any of which may be closed."""

import os
import sys


def open_standard_files() -> None:
    """Open what is closed of descriptors 0 to 2, to be called before any other file is opened.

    Else the next file has the number, be it of the cache: what a library prints would land in it.
    Reading finds nothing then, printing fails as it would have, messages go nowhere.
    """
    # In order: each gets the lowest number that is free.
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
