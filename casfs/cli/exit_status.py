"""What the exit status of a command says."""

DONE = 0
"""Done, and verified where there was something to verify; or nothing to do."""
FAILED = 1
"""It ended, and some of it failed."""
USAGE = 2
"""The command line or the configuration cannot be used."""
MISMATCH = 3
"""Bytes do not match their tree hash; this wins over `FAILED`."""
NOT_STARTED = 4
"""Nothing was sent: no consent, over a cap, a price that is unknown, or no record of requests."""
EXPIRING = 5
"""A list was asked for what expires soon, and found some."""
UNFINISHED = 75
"""Jobs are running, or requests are uncertain: run the same command again."""
INTERRUPTED = 130
"""Interrupted by the user; what was reached is kept."""
