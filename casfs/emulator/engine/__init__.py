"""What an archive service does, whatever its API: vaults, archives, jobs and uploads."""
