"""Runs the emulator without the rest of the command line: `python -m casfs.emulator`."""

from casfs.emulator.command import emulator

emulator(prog_name="casfs emulator")
