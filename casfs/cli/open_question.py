"""A yes-or-no question on the terminal, while the command goes on."""

import os
import select
import sys

from casfs.cli.confirming import discard_typed_ahead, has_terminal
from casfs.cli.progress import ProgressView
from casfs.cli.show import say

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}
_LONGEST = 4096


class OpenQuestion:
    """A question that the user has not answered yet; used by one thread.

    Where there is no terminal to answer on, the answer is no. Nothing is read while another program
    has the terminal: what is typed is for that one, and who reads all the same is stopped.

    Args:
        text: the question.
        view: where progress is shown, which must not run over the question.
    """

    def __init__(self, text: str, view: ProgressView | None) -> None:
        self._text = text
        self._view = view
        self._typed = b""
        self._answer = None if sys.stdin.isatty() else False
        if self._answer is None:
            self._ask()

    def answer(self) -> bool | None:
        """Return the answer, None as long as there is none; does not wait for it."""
        while self._answer is None and _is_typed_here():
            try:
                # A terminal gives whole lines.
                read = os.read(sys.stdin.fileno(), _LONGEST)
            except OSError:
                # The terminal has gone.
                read = b""
            self._typed = (self._typed + read)[-_LONGEST:]
            if read and not read.endswith(b"\n"):
                continue
            line, self._typed = self._typed.decode(errors="replace").strip().lower(), b""
            self._answer = _ANSWERS.get(line, None if read else False)
            if self._answer is None:
                self._ask()
        if self._answer is not None and self._view is not None:
            self._view.hold(False)
            self._view = None
        return self._answer

    def _ask(self) -> None:
        if self._view is not None:
            self._view.hold(True)
        discard_typed_ahead()
        say(f"{self._text} [y/N]", err=True)


def _is_typed_here() -> bool:
    """Return whether something was typed, and for this program."""
    return bool(select.select([sys.stdin], [], [], 0)[0]) and has_terminal()
