"""The tables of a worklist: archives by number, and what each stage adds up to."""

from casfs.restore.fetch_order import LARGE

ITEM = (
    "number, archive, path, size, mtime, tree_hash, expires, requested, readable, "
    "replace_existing, here, reason"
)
"""Columns of a `WorkItem`."""
INSERT = """INSERT INTO work
    (archive, path, size, mtime, tree_hash, created, stage, replace_existing, here, reason,
    expires, readable, planned, again, agreed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
COUNT = """INSERT INTO totals VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET archives = archives + excluded.archives,
    bytes = bytes + excluded.bytes
"""
INDEXES = (
    "CREATE INDEX by_archive ON work (archive)",
    "CREATE INDEX by_stage ON work (stage, number)",
)
"""Made once all archives are there: sorting them is much faster than adding ids in no order."""
TABLES = (
    f"""CREATE TABLE work (
        number INTEGER PRIMARY KEY, archive NOT NULL, path NOT NULL, size INTEGER,
        mtime TEXT NOT NULL, tree_hash TEXT, created INTEGER NOT NULL, stage TEXT NOT NULL,
        replace_existing INTEGER NOT NULL, here INTEGER NOT NULL, reason TEXT NOT NULL,
        expires INTEGER, requested INTEGER, readable INTEGER,
        planned INTEGER NOT NULL, again INTEGER NOT NULL, agreed INTEGER NOT NULL,
        told INTEGER NOT NULL DEFAULT 0,
        large INTEGER GENERATED ALWAYS AS (ifnull(size, 0) >= {LARGE}) STORED
    )""",
    "CREATE INDEX readable ON work (large, expires, number) WHERE stage = 'readable'",
    "CREATE INDEX left ON work (expires, number) WHERE stage IN ('readable', 'fetching')",
    "CREATE INDEX again ON work (number) WHERE again",
    "CREATE TABLE totals (stage TEXT PRIMARY KEY, archives INTEGER, bytes INTEGER) WITHOUT ROWID",
    """CREATE TRIGGER moved AFTER UPDATE OF stage, size ON work BEGIN
        UPDATE totals SET archives = archives - 1, bytes = bytes - ifnull(old.size, 0)
        WHERE stage = old.stage;
        INSERT INTO totals VALUES (new.stage, 1, ifnull(new.size, 0))
        ON CONFLICT DO UPDATE SET archives = archives + 1, bytes = bytes + excluded.bytes;
    END""",
)
