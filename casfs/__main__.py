"""Runs the command line as `python -m casfs`."""

from casfs.cli.main import main

main()
