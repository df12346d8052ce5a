"""The archives of all vaults by name, in the account's catalog: millions, found by index.

Written by ingest.py (inventories, descriptions) and readable.py (what changed with jobs), asked in
queries.py and find.py. A name is worked out from what is cataloged, each time that it is shown, so
that no order of events leads to another one.
"""
