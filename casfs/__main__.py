"""`python -m casfs`."""

from casfs.doors.cli.main import main

main()
