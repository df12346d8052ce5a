"""The tables of an account's catalog, and how a file of an older version is upgraded.

    listings(scope, generation, listed_at)          one row for all vaults, and one a vault;
                                                    one more each for a listing that has begun;
                                                    `catalog` says when the file was made
    newest_jobs(vault, mtime)                       the newest listed job, in microseconds
    vaults(name, description, generation)           description is the service's JSON
    jobs(vault, id, description, size, generation)  size is set where it was measured
        + kind, state, archive, hash, whole         what archives and inventories depend on;
                                                    state is NULL until the job was parsed, and
                                                    PARTLY_CACHED where only a part is left
        + mtime                                     microseconds since 1970, 0 where it is not
                                                    known; NULL until the job was parsed
    changed(hash)                                   archives some job of which came, changed or went

    folders(number, parent, name, readable)         readable archives in it and below; a vault is a
                                                    folder whose parent is 0
        + newest                                    mtime of the newest readable archive in it and
                                                    below, in nanoseconds since 1970
    archives(number, hash, vault, id, ...)          folder and name are NULL where the description
                                                    holds none; a marker of a folder has no name
    emptied(folder)                                 folders that something was taken out of
    aged(folder)                                    folders whose newest archive may be another one
    inventories(number, vault, job, date, full, taken)
        + records, unreadable                       how many it lists, and how many more cannot be
                                                    read; NULL if an earlier version took it in
        + marker, started, completed, joins         where it goes on, and whether it may be a part
                                                    of a chain of inventories
    counts(vault, archives)                         archives that inventories list; no row where
                                                    that is still to be counted
    rules(vault, text, upto)                        how names are derived; up to which archive
                                                    that is done, NULL for all

Triggers maintain `changed`, `emptied`, `aged` and the counts and times of folders, whoever writes:
no writer can forget them, and a transaction that breaks off leaves them unchanged.
"""

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

from casfs.errors import ConfigError
from casfs.tree.sqlite.values import NO_TIME

VERSION = 6

_LISTINGS = (
    """CREATE TABLE IF NOT EXISTS listings (
        scope TEXT PRIMARY KEY, generation INTEGER NOT NULL, listed_at REAL NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS vaults (
        name TEXT PRIMARY KEY, description TEXT NOT NULL, generation INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS jobs (
        vault TEXT NOT NULL, id TEXT NOT NULL, description TEXT NOT NULL, size INTEGER,
        generation INTEGER NOT NULL, PRIMARY KEY (vault, id)
    ) WITHOUT ROWID""",
)
# An upsert that fires a trigger overrides `OR IGNORE` in it (SQLite, "CREATE TRIGGER"), so these
# ask first.
_JOBS_OF_ARCHIVES = (
    "ALTER TABLE jobs ADD COLUMN kind TEXT",
    "ALTER TABLE jobs ADD COLUMN state TEXT",
    "ALTER TABLE jobs ADD COLUMN archive",
    "ALTER TABLE jobs ADD COLUMN hash INTEGER",
    "ALTER TABLE jobs ADD COLUMN whole INTEGER",
    "CREATE INDEX jobs_unparsed ON jobs (vault) WHERE state IS NULL",
    "CREATE INDEX inventory_jobs ON jobs (vault) WHERE kind = 'inventory'",
    "CREATE INDEX jobs_of_archive ON jobs (hash) WHERE hash IS NOT NULL",
    "CREATE TABLE changed (hash INTEGER PRIMARY KEY)",
    """CREATE TRIGGER job_came AFTER INSERT ON jobs WHEN new.hash IS NOT NULL BEGIN
        INSERT INTO changed SELECT new.hash
        WHERE NOT EXISTS (SELECT 1 FROM changed WHERE hash = new.hash);
    END""",
    """CREATE TRIGGER job_changed AFTER UPDATE OF state, hash, whole ON jobs
    WHEN (old.state, old.hash, old.whole) IS NOT (new.state, new.hash, new.whole) BEGIN
        INSERT INTO changed SELECT old.hash WHERE old.hash IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM changed WHERE hash = old.hash);
        INSERT INTO changed SELECT new.hash WHERE new.hash IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM changed WHERE hash = new.hash);
    END""",
    """CREATE TRIGGER job_went AFTER DELETE ON jobs WHEN old.hash IS NOT NULL BEGIN
        INSERT INTO changed SELECT old.hash
        WHERE NOT EXISTS (SELECT 1 FROM changed WHERE hash = old.hash);
    END""",
)
_FOLDERS = (
    """CREATE TABLE folders (
        number INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, name TEXT NOT NULL,
        readable INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE UNIQUE INDEX folders_by_name ON folders (parent, name)",
    "CREATE INDEX readable_folders ON folders (parent, name) WHERE readable > 0",
    "CREATE TABLE emptied (folder INTEGER PRIMARY KEY)",
    """CREATE TRIGGER folder_counted AFTER UPDATE OF readable ON folders
    WHEN new.parent > 0 AND old.readable <> new.readable BEGIN
        UPDATE folders SET readable = readable + new.readable - old.readable
        WHERE number = new.parent;
    END""",
    """CREATE TRIGGER folder_went AFTER DELETE ON folders WHEN old.parent > 0 BEGIN
        INSERT INTO emptied SELECT old.parent
        WHERE NOT EXISTS (SELECT 1 FROM emptied WHERE folder = old.parent);
    END""",
)
_ARCHIVES = (
    # No type where values need their own: text that is not UTF-8, times after 2262.
    """CREATE TABLE archives (
        number INTEGER PRIMARY KEY, hash INTEGER NOT NULL, vault INTEGER NOT NULL, id NOT NULL,
        description, created INTEGER NOT NULL, size INTEGER, tree_hash, folder INTEGER, name TEXT,
        rule TEXT NOT NULL, mtime, flags INTEGER NOT NULL, original_size INTEGER,
        listed INTEGER NOT NULL, readable INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE UNIQUE INDEX archives_by_hash ON archives (hash)",
    """CREATE INDEX archives_by_name ON archives (folder, name, created)
    WHERE folder IS NOT NULL""",
    # With everything that a listing shows: rows of one directory may be anywhere in the file.
    """CREATE INDEX readable_by_name ON archives (folder, name, created, id, description, size,
        tree_hash, rule, mtime, flags, original_size, readable)
    WHERE folder IS NOT NULL AND readable = 1""",
    """CREATE INDEX readable_nameless ON archives (vault, id)
    WHERE readable = 1 AND folder IS NULL""",
    """CREATE TRIGGER archive_moved AFTER UPDATE OF folder, readable ON archives
    WHEN old.folder IS NOT new.folder OR old.readable <> new.readable BEGIN
        UPDATE folders SET readable = readable - 1 WHERE number = old.folder AND old.readable;
        UPDATE folders SET readable = readable + 1 WHERE number = new.folder AND new.readable;
        INSERT INTO emptied SELECT old.folder
        WHERE old.folder IS NOT NULL AND old.folder IS NOT new.folder
        AND NOT EXISTS (SELECT 1 FROM emptied WHERE folder = old.folder);
    END""",
    """CREATE TRIGGER archive_went AFTER DELETE ON archives WHEN old.folder IS NOT NULL BEGIN
        UPDATE folders SET readable = readable - 1 WHERE number = old.folder AND old.readable;
        INSERT INTO emptied SELECT old.folder
        WHERE NOT EXISTS (SELECT 1 FROM emptied WHERE folder = old.folder);
    END""",
    """CREATE TABLE inventories (
        number INTEGER PRIMARY KEY, vault INTEGER NOT NULL, job NOT NULL, date INTEGER,
        full INTEGER NOT NULL DEFAULT 0, taken INTEGER NOT NULL DEFAULT 0, UNIQUE (vault, job)
    )""",
    "CREATE TABLE rules (vault INTEGER PRIMARY KEY, text TEXT NOT NULL, upto INTEGER)",
)
_CHAINS = (
    "ALTER TABLE inventories ADD COLUMN records INTEGER",
    "ALTER TABLE inventories ADD COLUMN unreadable INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE inventories ADD COLUMN marker TEXT",
    "ALTER TABLE inventories ADD COLUMN started INTEGER",
    "ALTER TABLE inventories ADD COLUMN completed INTEGER",
    "ALTER TABLE inventories ADD COLUMN joins INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE counts (vault INTEGER PRIMARY KEY, archives INTEGER NOT NULL)",
    # Earlier versions made directories for names that nothing received.
    """INSERT INTO emptied SELECT number FROM folders AS one WHERE parent > 0
    AND NOT EXISTS (SELECT 1 FROM emptied WHERE folder = one.number)
    AND NOT EXISTS (SELECT 1 FROM archives WHERE archives.folder = one.number)
    AND NOT EXISTS (SELECT 1 FROM folders WHERE folders.parent = one.number)""",
)
_TIMES = ("ALTER TABLE jobs ADD COLUMN mtime INTEGER",)
# It asks in WHEN: for a SELECT from the table that it inserts into, SQLite uses a temporary table.
_QUICK_TRIGGER = (
    "DROP TRIGGER job_came",
    """CREATE TRIGGER job_came AFTER INSERT ON jobs
    WHEN new.hash IS NOT NULL AND NOT EXISTS (SELECT 1 FROM changed WHERE hash = new.hash) BEGIN
        INSERT INTO changed VALUES (new.hash);
    END""",
)
ARCHIVE_TIME = "ifnull(mtime, max(0, created) * 1000)"
"""The mtime of an archive that is shown, in nanoseconds since 1970."""
PLACE = "ifnull(folder, -vault)"
"""What an archive is listed in: a directory, or `by-id` of its vault."""
IS_MARKER = "folder IS NOT NULL AND name IS NULL"
"""Whether an archive marks a directory, in which it is not listed itself."""
UNKNOWN_TIME = f"mtime IS NULL AND created = {NO_TIME}"
JOB_TIME = """ifnull(
    (SELECT min(jobs.mtime) FROM jobs WHERE jobs.hash = archives.hash AND jobs.mtime > 0) * 1000,
    (SELECT CAST(listed_at AS INTEGER) * 1000000000 FROM listings WHERE scope = 'catalog'))"""
"""The mtime of an archive of which only jobs tell: when it was first retrieved. Later jobs do not
change it, or rsync would copy the archive again."""
# Times after 2262 are texts; a number orders both, and the value itself those that it rounds. The
# plus keeps the affinity of a column from the comparison, for which no index would be used.
_NEWEST_ARCHIVE = f"""SELECT {ARCHIVE_TIME} FROM archives INDEXED BY readable_by_time
    WHERE readable = 1 AND {PLACE} = +folders.number AND ({IS_MARKER}) = %d
    ORDER BY CAST({ARCHIVE_TIME} AS REAL) DESC, {ARCHIVE_TIME} DESC LIMIT 1"""  # noqa: S608
_NEWEST_FOLDER = """SELECT newest FROM folders AS child INDEXED BY folders_by_time
    WHERE child.parent = folders.number AND newest IS NOT NULL
    ORDER BY CAST(newest AS REAL) DESC, newest DESC LIMIT 1"""
# The marker of a directory tells the time of one that is empty.
NEWEST = f"""ifnull(
    (SELECT time FROM (SELECT ({_NEWEST_ARCHIVE % 0}) AS time UNION ALL SELECT ({_NEWEST_FOLDER}))
        ORDER BY CAST(time AS REAL) DESC, time DESC LIMIT 1),
    ({_NEWEST_ARCHIVE % 1}))"""  # noqa: S608
"""The mtime of the newest that is listed in a row of `folders`, NULL if nothing is."""
_DIRECTORY_TIMES = (
    "INSERT INTO listings VALUES ('catalog', 0, CAST(strftime('%s') AS INTEGER))",
    # No column of `listings`: a mount of the version before may be running, which inserts rows
    # without naming the columns.
    "CREATE TABLE newest_jobs (vault TEXT PRIMARY KEY, mtime INTEGER NOT NULL) WITHOUT ROWID",
    """INSERT INTO newest_jobs SELECT vault, max(mtime) FROM jobs
        JOIN listings ON scope = 'vaults/' || vault AND jobs.generation >= listings.generation
    WHERE mtime IS NOT NULL GROUP BY vault""",
    f"UPDATE archives SET mtime = {JOB_TIME} WHERE readable = 1 AND {UNKNOWN_TIME}",  # noqa: S608
    "ALTER TABLE folders ADD COLUMN newest",
    "CREATE TABLE aged (folder INTEGER PRIMARY KEY)",
    f"""CREATE INDEX readable_by_time ON archives ({PLACE}, ({IS_MARKER}),
        CAST({ARCHIVE_TIME} AS REAL), {ARCHIVE_TIME}) WHERE readable = 1""",
    """CREATE INDEX folders_by_time ON folders (parent, CAST(newest AS REAL), newest)
    WHERE newest IS NOT NULL""",
    f"""CREATE TRIGGER folder_aged AFTER UPDATE OF newest ON folders
    WHEN new.parent > 0 AND old.newest IS NOT new.newest BEGIN
        UPDATE folders SET newest = {NEWEST} WHERE number = new.parent;
    END""",  # noqa: S608
    f"UPDATE folders SET newest = {NEWEST} WHERE readable > 0",  # noqa: S608
    """CREATE TRIGGER archive_aged
    AFTER UPDATE OF folder, name, readable, mtime, created ON archives
    WHEN (old.readable OR new.readable)
    AND (old.folder, old.name IS NULL, old.readable, old.mtime, old.created)
        IS NOT (new.folder, new.name IS NULL, new.readable, new.mtime, new.created) BEGIN
        INSERT INTO aged SELECT old.folder WHERE old.folder IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM aged WHERE folder = old.folder);
        INSERT INTO aged SELECT new.folder WHERE new.folder IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM aged WHERE folder = new.folder);
    END""",
    """CREATE TRIGGER readable_went AFTER DELETE ON archives
    WHEN old.folder IS NOT NULL AND old.readable BEGIN
        INSERT INTO aged SELECT old.folder
        WHERE NOT EXISTS (SELECT 1 FROM aged WHERE folder = old.folder);
    END""",
)
_STEPS = (
    _LISTINGS,
    _JOBS_OF_ARCHIVES + _FOLDERS + _ARCHIVES,
    _CHAINS,
    _TIMES,
    _QUICK_TRIGGER,
    _DIRECTORY_TIMES,
)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables of a new file, or upgrade those of an older version.

    Args:
        connection: to the file, or to its copy in memory.
        path: of the file, for the message.

    Raises:
        ConfigError: a newer casfs wrote the file, which is left unchanged.
        sqlite3.DatabaseError: the file has a version that never existed.
    """
    version_of(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    if version_of(connection, path) == VERSION:
        return
    # What a step changes goes up to the directories above.
    connection.execute("PRAGMA recursive_triggers = ON")
    # Another process may prepare the same file.
    connection.execute("BEGIN IMMEDIATE")
    version = version_of(connection, path)
    if version < 0:
        raise sqlite3.DatabaseError(f"version {version}, not {VERSION}")
    for statement in (statement for step in _STEPS[version:] for statement in step):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of a file's tables, 0 if it has none yet.

    Raises:
        ConfigError: a newer casfs wrote the file.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise ConfigError(
            f"the catalog {path} was written by a newer casfs (version {version}; this one knows "
            f"{VERSION}); update casfs, or give another --cache-dir"
        )
    return int(version)


def refuse_newer(path: Path) -> None:
    """Raise if a newer casfs wrote a file, as far as it can be read.

    Raises:
        ConfigError: it did.
    """
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as file,
    ):
        version_of(file, path)
