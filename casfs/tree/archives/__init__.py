"""The archives of all vaults by name, in the account's catalog: millions, found by index.

Written by ingest.py (inventories, descriptions) and readable.py (what changed with jobs), asked in
Written by ingest.py (inventories, descriptions) and readable.py (what changed with jobs), asked in
that no order of events leads to another one.
"""
