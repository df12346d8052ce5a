"""`python -m casfs`."""

from casfs.cli.main import main

main()
