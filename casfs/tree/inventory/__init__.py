"""Inventories as streams: read and written as JSON or CSV, in constant memory.

Nothing here depends on vaults, jobs or files.
"""
