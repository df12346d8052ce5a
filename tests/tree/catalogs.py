"""A catalogue in a file of a test's own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from casfs.tree.metadata.job_table import Catalog
from casfs.tree.sqlite.database import Database


@contextmanager
def catalog_at(path: Path) -> Iterator[Catalog]:
    """Open the catalogue of a file, and close it when the context ends."""
    with closing(Database(path)) as database:
        yield Catalog(database)
