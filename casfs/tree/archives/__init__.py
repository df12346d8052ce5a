"""The archives of all vaults by name, in the account's catalog: millions, found by index.

Written by ingest.py (inventories, descriptions) and readable.py (what changed with jobs), read by
queries.py. A name is derived from what is cataloged each time that it is shown, so that it does not
depend on the order of events.
"""
