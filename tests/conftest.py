"""What holds for all tests."""

import functools
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes on a busy machine says nothing about casfs.
settings.register_profile("casfs", deadline=None, max_examples=30)
# For once in a while: scripts/test --hypothesis-profile thorough tests/unit
settings.register_profile("thorough", deadline=None, max_examples=1000)
# Which lines run is known after a few examples, and measuring makes each of them slow.
settings.register_profile("coverage", deadline=None, max_examples=10, derandomize=True)
settings.load_profile("casfs")

# Who runs the tests in the background has signals ignored, and programs inherit that. A mount goes
# on when it gets one of those.
for ending in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(ending, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST_FIRST = (
    "system/sdk",
    "system/moto",
    "system/mount",
    "system/conformance",
    "system/cli",
    "unit/client",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with the files that take long: one that begins last keeps a single processor busy."""
    root = Path(__file__).parent

    @functools.cache
    def rank(path):
        inside = f"{path.relative_to(root)}/"
        found = (at for at, slow in enumerate(LONGEST_FIRST) if inside.startswith(f"{slow}/"))
        return next(found, len(LONGEST_FIRST))

    items.sort(key=lambda item: rank(item.path))
