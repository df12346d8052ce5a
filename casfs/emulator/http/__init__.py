"""The emulator on a socket: requests, answers, and the faults that it injects."""
