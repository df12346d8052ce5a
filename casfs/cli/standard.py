"""Standard input, output and error of a command, any of which may be closed."""

import os
import sys


def open_standard_files() -> None:
    """Open those of descriptors 0 to 2 that are closed; call it before any other file is opened.

    Otherwise the next file gets the number, even one of the cache, and what a library prints lands
    in it. Reading finds nothing then, printing fails as before, and messages go nowhere.
    """
    # In order: each gets the lowest free number.
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
