"""The doors: each translates one outside world (kernel, shell) to the client, and nothing else."""
