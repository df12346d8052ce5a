"""What is typed before a question is shown does not answer it: nobody has seen the price yet."""

import os
import sys

from tests.support.terminal import on_terminal

ASKS = """
import sys, time
from casfs.cli.confirming import confirm
from casfs.cli.open_question import OpenQuestion

print("type ahead", flush=True)
# The line that ends here comes together with the one after it.
sys.stdin.buffer.raw.read(1)
if sys.argv[1] == "confirm":
    print("it is", confirm("Pay?"), flush=True)
else:
    question = OpenQuestion("Pay?", None)
    end = time.monotonic() + 10
    while question.answer() is None and time.monotonic() < end:
        time.sleep(0.01)
    print("it is", question.answer(), flush=True)
"""


def test_a_yes_that_was_typed_ahead_agrees_to_nothing():
    for way in ("confirm", "open"):
        typed: list[int] = []

        def act(text, process, ours, typed=typed):
            if not typed and "type ahead" in text:
                typed.append(os.write(ours, b"\ny\n"))
            if len(typed) == 1 and "Pay?" in text:
                typed.append(os.write(ours, b"n\n"))

        shown = on_terminal([sys.executable, "-c", ASKS, way], dict(os.environ), act=act)
        assert "it is False" in shown.text, shown.text
