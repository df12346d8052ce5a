"""A catalogue in a file of a test's own."""

from collections.abc import Container, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from casfs.credentials import Credentials
from casfs.errors import CacheError
from casfs.model import Output
from casfs.service.cas import cas
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.sqlite.database import Database

DIALECT = cas("-", Credentials("AKID", "secret"), "")

FIRST_VERSION = """
CREATE TABLE listings (
    scope TEXT PRIMARY KEY, generation INTEGER NOT NULL, listed_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE vaults (
    name TEXT PRIMARY KEY, description TEXT NOT NULL, generation INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE jobs (
    vault TEXT NOT NULL, id TEXT NOT NULL, description TEXT NOT NULL, size INTEGER,
    generation INTEGER NOT NULL, PRIMARY KEY (vault, id)
) WITHOUT ROWID;
INSERT INTO listings VALUES ('vaults', 3, 1000.5), ('vaults/v', 7, 2000.5);
INSERT INTO vaults VALUES ('v', '{"VaultName":"v"}', 3);
INSERT INTO jobs VALUES ('v', 'listed', '{"JobId":"listed"}', NULL, 7);
INSERT INTO jobs VALUES ('v', 'retained', '{"JobId":"retained"}', 77, 6);
PRAGMA user_version = 1;
"""
"""A file as casfs 0.1 left it."""


class CachedJobs:
    """A cache that holds the outputs of some jobs, and nothing else.

    Attributes:
        is_failing: its disk fails, so that it cannot be found out what is there.
    """

    def __init__(self, jobs: Container[str] = ()) -> None:
        self._jobs = jobs
        self.is_failing = False

    def holds_whole(self, output: Output) -> bool:
        self._look()
        return output.sources[0].job_id in self._jobs

    def holds_everywhere(self, output: Output) -> bool:
        return self.holds_whole(output)

    def held(self, keys: Iterable[str]) -> Iterable[str]:
        self._look()
        return ()

    def _look(self) -> None:
        if self.is_failing:
            raise CacheError("too many open files")


@contextmanager
def catalog_at(path: Path) -> Iterator[JobTable]:
    """Open the catalogue of a file, and close it when the context ends."""
    with closing(Database(path)) as database:
        yield JobTable(database)


def job(name, vault="v", **facts):
    return DIALECT.job(vault, {"JobId": name, **facts})


def damage_rows(path):
    """Damage what a catalogue has of its jobs, behind its tables, which are still sound."""
    content = bytearray(path.read_bytes())
    rows = len(content) // 2
    content[rows:] = b"\xa5" * len(content[rows:])
    path.write_bytes(content)
