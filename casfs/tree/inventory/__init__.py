"""Inventories as streams: read and written as JSON or CSV, in memory that does not grow with them.

Nothing here knows of vaults, jobs or files.
"""
