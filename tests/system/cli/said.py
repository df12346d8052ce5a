"""What the command says about a failure."""

from tests.support.emulator.running import SECRET


def one_line(done):
    """What it says about a failure: one line, and never the secret or a traceback."""
    text = done.stderr.decode()
    assert SECRET not in text
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) == 1, text
    assert text.startswith("casfs: ")
    return text
