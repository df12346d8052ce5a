"""An archive service on this machine: demo, tests, offline work."""
