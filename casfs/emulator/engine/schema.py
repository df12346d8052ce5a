"""The layout of an emulator's state: rows in SQLite and bytes in files, in one directory.

This layout is an interface: tests edit it while the server runs, and every request rereads it.

    ROOT/state.sqlite               the tables below, in WAL mode
    ROOT/archives/<archive-id>      the bytes of an archive, for as long as a job may serve them
    ROOT/inventories/<job-id>       the output of a complete inventory job
    ROOT/uploads/<upload-id>        the parts of a multipart upload, each at its offset
    ROOT/incoming/                  bodies being received; emptied at each start

Tables (times are Unix seconds, digests raw bytes; `records` has a dataclass for most of them, with
the same columns in the same order and a description of each):

    service   name                    of the service whose state this is
    vaults    name, created, inventoried, archive_count, byte_count, id, owner
    archives  id, vault, description, size, created, tree_hash, deleted, seed
    leaves    archive, digests        the digest of each MiB, computed at upload
    jobs      id, vault, kind, created, completed, failure, archive, first, last, tree_hash, tier,
              description, callback, bucket, object, format, start, end, item_limit, marker,
              output_size, continuation, details
    uploads   id, vault, description, part_size, created
    parts     upload, first, last, tree_hash, leaves, digest
    policy    strategy, amount        the data retrieval policy; no row = none

To expire a job, set `jobs.completed` to a time long ago; to keep it running, to a time in the
future. To corrupt a byte for good, change it in `archives/<archive-id>`, because hashes come from
`leaves`. To give a vault to another account, set `vaults.owner`.
"""

import sqlite3

VERSION = 2
"""Version of this layout, in `PRAGMA user_version`."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS service (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS vaults (
    name TEXT PRIMARY KEY, created REAL NOT NULL,
    inventoried REAL, archive_count INTEGER, byte_count INTEGER, id TEXT, owner TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS vaults_by_address ON vaults (coalesce(id, name));
CREATE TABLE IF NOT EXISTS archives (
    id TEXT PRIMARY KEY, vault TEXT NOT NULL, description TEXT, size INTEGER NOT NULL,
    created REAL NOT NULL, tree_hash BLOB NOT NULL, deleted REAL, seed TEXT);
CREATE INDEX IF NOT EXISTS archives_by_vault ON archives (vault, id);
CREATE UNIQUE INDEX IF NOT EXISTS archives_by_seed ON archives (vault, seed) WHERE seed NOT NULL;
CREATE TABLE IF NOT EXISTS leaves (archive TEXT PRIMARY KEY, digests BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, vault TEXT NOT NULL, kind TEXT NOT NULL, created REAL NOT NULL,
    completed REAL NOT NULL, failure TEXT, archive TEXT, first INTEGER, last INTEGER,
    tree_hash BLOB, tier TEXT, description TEXT NOT NULL, callback TEXT, bucket TEXT, object TEXT,
    format TEXT, start REAL, end REAL, item_limit INTEGER NOT NULL, marker TEXT,
    output_size INTEGER, continuation TEXT, details TEXT);
CREATE INDEX IF NOT EXISTS jobs_by_vault ON jobs (vault, id);
CREATE INDEX IF NOT EXISTS jobs_by_archive ON jobs (archive);
CREATE INDEX IF NOT EXISTS jobs_to_notify ON jobs (completed) WHERE callback NOT NULL;
CREATE INDEX IF NOT EXISTS inventories_to_write ON jobs (vault, completed)
    WHERE kind = 'inventory' AND output_size IS NULL AND failure IS NULL;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, vault TEXT NOT NULL, description TEXT, part_size INTEGER NOT NULL,
    created REAL NOT NULL);
CREATE INDEX IF NOT EXISTS uploads_by_vault ON uploads (vault, id);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    tree_hash BLOB NOT NULL, leaves BLOB NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (upload, first));
CREATE TABLE IF NOT EXISTS policy (strategy TEXT NOT NULL, amount INTEGER);
"""
"""All tables and their indices."""


def prepare(rows: sqlite3.Connection, service: str) -> None:
    """Create the tables in an empty database.

    Args:
        rows: the database.
        service: name of the service whose state it holds.

    Raises:
        OSError: it holds the state of another service or version; it is left unchanged.
    """
    if rows.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
        if rows.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            raise OSError("holds the state of another version of casfs")
        for (other,) in rows.execute("SELECT name FROM service WHERE name <> ?", (service,)):
            raise OSError(f"holds the state of the dialect {other}")
    # Set the version first, so that a crash leaves no tables of an unknown version.
    rows.execute(f"PRAGMA user_version = {VERSION}")
    rows.executescript(SCHEMA)
    rows.execute("INSERT OR IGNORE INTO service VALUES (?)", (service,))
