"""Questions on the terminal that cost money: only what is typed after one is shown answers it."""

import contextlib
import os
import sys
import termios

import click


def confirm(question: str) -> bool:
    """Ask a yes-or-no question, and wait for the answer.

    Raises:
        click.Abort: there is no answer.
    """
    discard_typed_ahead()
    return click.confirm(question, err=True)


def discard_typed_ahead() -> None:
    """Forget what was typed before a question is shown: it cannot be meant as its answer.

    What is typed while another program has the terminal is for that one, and is left alone.
    """
    if not sys.stdin.isatty() or not has_terminal():
        return
    # A terminal that has gone has nothing typed ahead.
    with contextlib.suppress(termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def has_terminal() -> bool:
    """Return whether what is typed is for this program, and no other in front of it."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        # It is a terminal that controls no programs, or has gone: to read stops nobody.
        return True
