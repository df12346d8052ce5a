"""What holds for all tests."""

import signal

from hypothesis import settings

# How long an example takes on a busy machine says nothing about casfs.
settings.register_profile("casfs", deadline=None)
settings.load_profile("casfs")

# Who runs the tests in the background has signals ignored, and programs inherit that. A mount goes
# on when it gets one of those.
for ending in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(ending, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
