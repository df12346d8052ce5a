"""The tables of the ledger, and how its file is created.

    requests(number, account, vault, kind, archive, first, last, size, tier, token, state, final,
             run, owner, boot, uptime, intended, answered, job, reason, cost, currency, gets)
    runs(id, account, vault, selection, used)       restores: commands with the same selection
    totals(run, tier, jobs, bytes, gets, unsized)   what a restore has requested, refusals aside;
                                                    `unsized` jobs are of unknown size
    owners(number, pid, begun)                      processes that send
    adoptions(run, job)                             the inventory job of somebody else that a
                                                    restore waits for, and goes on after

Times are microseconds since 1970. An open request is unique by account, vault, archive and range:
that constraint, and not a lock, makes two processes ask once. Triggers maintain `totals`. Later
versions only ever add tables and columns, so that a mount of this version goes on reading.
"""

import contextlib
import errno
import os
import sqlite3
import uuid
from pathlib import Path

from casfs.directory_sync import sync_directory
from casfs.disks import disk_of
from casfs.errors import LedgerError
from casfs.ledger.files import LEDGER
from casfs.private import PrivateDirectory

VERSION = 1
_APPLICATION = 0x63617366
"""The application id in the header of the file: "casf"."""
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)
"""What link(2) answers where there are no hard links: on vfat and exFAT, by FUSE, by CIFS."""
_CHECKED = 64 << 20
"""Size in bytes up to which a ledger is checked whole when it is opened."""

_TABLES = (
    """CREATE TABLE requests (
        number INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, vault NOT NULL,
        kind TEXT NOT NULL, archive NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        size INTEGER, tier TEXT NOT NULL, token TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
        final INTEGER NOT NULL DEFAULT 0, run TEXT NOT NULL, owner INTEGER NOT NULL,
        boot TEXT NOT NULL, uptime REAL NOT NULL, intended INTEGER NOT NULL, answered INTEGER,
        job TEXT, reason TEXT, cost TEXT, currency TEXT, gets INTEGER NOT NULL
    )""",
    """CREATE UNIQUE INDEX open_requests ON requests (account, vault, archive, first, last)
    WHERE final = 0""",
    "CREATE INDEX requests_of_vault ON requests (account, vault, number)",
    "CREATE INDEX open_requests_of_vault ON requests (account, vault, number) WHERE final = 0",
    """CREATE INDEX lost_requests_of_vault ON requests (account, vault, number)
    WHERE state IN ('failed', 'expired')""",
    "CREATE INDEX requests_of_archive ON requests (account, vault, archive)",
    "CREATE INDEX requests_by_job ON requests (account, vault, job) WHERE job IS NOT NULL",
    "CREATE INDEX requests_of_run ON requests (run)",
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY, account TEXT NOT NULL, vault NOT NULL, selection TEXT NOT NULL,
        used INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX runs_by_selection ON runs (account, vault, selection)",
    """CREATE TABLE totals (
        run TEXT NOT NULL, tier TEXT NOT NULL, jobs INTEGER NOT NULL, bytes INTEGER NOT NULL,
        gets INTEGER NOT NULL, unsized INTEGER NOT NULL, PRIMARY KEY (run, tier)
    ) WITHOUT ROWID""",
    "CREATE TABLE owners (number INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER, begun INTEGER)",
    """CREATE TRIGGER request_came AFTER INSERT ON requests BEGIN
        INSERT INTO totals
        VALUES (new.run, new.tier, 1, ifnull(new.size, 0), new.gets, new.size IS NULL)
        ON CONFLICT DO UPDATE SET jobs = jobs + 1, bytes = bytes + excluded.bytes,
            gets = gets + excluded.gets, unsized = unsized + excluded.unsized;
    END""",
    """CREATE TRIGGER request_refused AFTER UPDATE OF state ON requests
    WHEN new.state = 'refused' AND old.state <> 'refused' BEGIN
        UPDATE totals SET jobs = jobs - 1, bytes = bytes - ifnull(new.size, 0),
            gets = gets - new.gets, unsized = unsized - (new.size IS NULL)
        WHERE run = new.run AND tier = new.tier;
    END""",
)

_ADDED = {
    "adoptions": "CREATE TABLE adoptions (run TEXT PRIMARY KEY, job NOT NULL) WITHOUT ROWID",
}
"""Tables that the first version did not have, by name."""


def create(private: PrivateDirectory) -> None:
    """Create the ledger if there is none: as a whole, so that an empty file is never taken for one.

    Raises:
        LedgerError: the file system has no hard links.
        OSError, sqlite3.Error: it cannot be created.
    """
    path = private.path / LEDGER
    if not os.path.lexists(path):
        _create(private, path)
    _remove_first_names(path)


def _remove_first_names(path: Path) -> None:
    """Remove the name that a new ledger had first, which a process that was killed left."""
    with contextlib.suppress(FileNotFoundError):
        ledger = os.lstat(path)
        if ledger.st_nlink == 1:
            return
        for other in path.parent.glob(f".{LEDGER}.*"):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.lstat(other), ledger):
                    other.unlink()


def _create(private: PrivateDirectory, path: Path) -> None:
    new = path.with_name(f".{LEDGER}.{uuid.uuid4().hex}")
    os.close(private.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    try:
        with contextlib.closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            fill(connection)
        _give_name(new, path)
    finally:
        new.unlink(missing_ok=True)
    directory = os.open(private.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_directory(directory)
    finally:
        os.close(directory)


def _give_name(new: Path, path: Path) -> None:
    """Give a new ledger its name, unless another process was faster: renaming would replace that.

    Raises:
        LedgerError: the file system has no hard links.
        OSError: it fails.
    """
    try:
        os.link(new, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise LedgerError(
            f"the record of requests {path} cannot be created: the disk at {disk_of(path)} has no "
            "hard links; nothing is sent without it. Give a --state-dir on another disk"
        ) from error


def fill(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file.

    Raises:
        sqlite3.Error: they cannot be created.
    """
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*_TABLES, *_ADDED.values()):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def extend(connection: sqlite3.Connection) -> None:
    """Add the tables that the ledgers of earlier versions lack; other files stay as they are.

    Raises:
        sqlite3.Error: they cannot be added.
    """
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if application != _APPLICATION or version > VERSION:
        return
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    missing = [create for name, create in _ADDED.items() if name not in names]
    if not missing:
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for create in missing:
            connection.execute(create.replace("TABLE", "TABLE IF NOT EXISTS", 1))


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Check that a file is a ledger that this version understands.

    Raises:
        LedgerError: it is not.
        sqlite3.Error: it cannot be read.
    """
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if application != _APPLICATION:
        raise LedgerError(
            f"{path} is not a record of requests; nothing is sent without one. Restore it from a "
            "backup; if you know that no request is open, move it away"
        )
    if version > VERSION:
        raise LedgerError(
            f"{path} was written by a newer casfs (version {version}; this one knows {VERSION}); "
            "nothing is sent. Update casfs"
        )
    if not path.exists() or path.stat().st_size <= _CHECKED:
        ((told,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        if told != "ok":
            raise sqlite3.DatabaseError(told)
