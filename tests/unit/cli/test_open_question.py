"""A question on the terminal disturbs neither the command that asks it nor others."""

import os
import sys

from tests.support.terminal import on_terminal

SHELL = """
import os, select, signal, sys, time
from casfs.cli.open_question import OpenQuestion

def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.01)
    return found

def stopped():
    return os.waitpid(child, os.WNOHANG | os.WUNTRACED)[1]

child = os.fork()
if not child:
    os.setpgid(0, 0)
    question = OpenQuestion("Pay?", None)
    wait_for(lambda: question.answer() is not None)
    os._exit(10 + bool(question.answer()))
# This is the shell from here on; the command runs behind it, as with "&".
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
select.select([0], [], [])
print("stopped" if wait_for(stopped, 0.5) else "goes on", flush=True)
print("the shell has", sys.stdin.readline(), flush=True)
os.tcsetpgrp(0, child)
print("now in front", flush=True)
_, status = os.waitpid(child, 0)
print("answered", os.WEXITSTATUS(status), flush=True)
"""


def test_a_command_behind_the_shell_takes_none_of_what_is_typed_there():
    typed: list[int] = []

    def act(text, process, ours):
        if not typed and "Pay?" in text:
            typed.append(os.write(ours, b"ls\n"))
        if len(typed) == 1 and "now in front" in text:
            typed.append(os.write(ours, b"y\n"))

    shown = on_terminal([sys.executable, "-c", SHELL], dict(os.environ), act=act)
    assert "goes on" in shown.text, shown.text
    assert "the shell has ls" in shown.text
    assert "answered 11" in shown.text
