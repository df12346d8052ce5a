"""Single keys from a terminal, without waiting for the end of a line."""

import contextlib
import os
import re
import select
import termios
import tty
from collections.abc import Iterator

_SECONDS = 0.2
"""How long a look waits for a key. What follows an escape later than that is a key of its own."""
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[^\[O\x1b])")
"""What other keys send: arrows and function keys (CSI, SS3: ECMA-48), and keys pressed with Alt."""
_BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
_DISABLED = b"\0"
_CHARACTERS = 6
"""Where `termios.tcgetattr` has the control characters."""


class Keys:
    """The keys that are pressed on a terminal; used by one thread.

    Args:
        file: descriptor of the terminal.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._begun = b""

    def pressed(self, wanted: bytes) -> bool:
        """Wait a moment; return whether one of these keys was pressed, or the terminal is gone.

        Raises:
            OSError: the terminal cannot be read.
        """
        ready, _, _ = select.select([self._file], [], [], _SECONDS)
        if not ready:
            self._begun = b""
            return False
        read = os.read(self._file, 1024)
        keys = _SEQUENCE.sub(b"", self._begun + read)
        begun = _BEGUN.search(keys)
        self._begun = begun[0] if begun else b""
        return not read or any(key in wanted for key in keys)


@contextlib.contextmanager
def keys_of(file: int) -> Iterator[Keys]:
    """Read single keys while the context lasts; the terminal behaves as before after it.

    Ctrl-Z does nothing meanwhile, since it would leave the shell with the screen of the view.

    Args:
        file: descriptor of the terminal.

    Raises:
        OSError: the terminal is gone.
    """
    try:
        before = termios.tcgetattr(file)
        tty.setcbreak(file)
        changed = termios.tcgetattr(file)
        changed[_CHARACTERS][termios.VSUSP] = _DISABLED
        termios.tcsetattr(file, termios.TCSADRAIN, changed)
    except termios.error as error:
        raise OSError(*error.args) from error
    try:
        yield Keys(file)
    finally:
        # One that is gone has no modes.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(file, termios.TCSADRAIN, before)
