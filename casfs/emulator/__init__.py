"""An archive service on this machine: demo, tests, offline work. Shares only the tree hash with casfs."""
