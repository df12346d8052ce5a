"""An archive service without its API: vaults, archives, jobs and uploads on disk."""
