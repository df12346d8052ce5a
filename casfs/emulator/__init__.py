"""An archive service on this machine, for demos, tests and offline work."""
