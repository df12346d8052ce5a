"""Vaults and jobs: as the service lists them, and as they were last known."""
