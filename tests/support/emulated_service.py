"""Every service with the same content, as its emulator has it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from casfs.emulator.dialects.registry import DIALECTS
from tests.support.emulator.running import KEYS, RunningEmulator, running_emulator
from tests.support.random_data import random_bytes
from tests.support.served import MIB

REGION = "eu-west-1"
VAULT = "photos"
BIG = 100 * MIB
SIZES = {
    "one": 1,
    "under": MIB - 1,
    "block": MIB,
    "over": MIB + 1,
    "seven": 15 * MIB // 2,
}
"""Of the outputs that every test may read and no test changes."""
FILE = {"file": 20 * MIB + 5}
"""The one output of a service in trouble."""


@dataclass
class Service:
    """A running emulator of a dialect.

    Attributes:
        files: the content of each archive by its name.
        archives: the id of each archive by its name.
        jobs: the id of the job that brings each archive, by the archive's name.
    """

    dialect: str
    emulator: RunningEmulator
    files: Mapping[str, bytes]
    archives: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.emulator.sql(
            "SELECT archives.description, jobs.id, archives.id FROM jobs"
            " JOIN archives ON archives.id = jobs.archive"
        )
        for name, job, archive in rows:
            self.jobs[name] = job
            self.archives[name] = archive

    @property
    def settings(self) -> dict[str, str]:
        """What a client must be told, as environment."""
        return {
            "CASFS_DIALECT": self.dialect,
            "CASFS_ENDPOINT": self.emulator.url,
            "CASFS_REGION": REGION,
            **KEYS,
        }

    def output(self, name: str) -> str:
        """The path of the output that brings an archive, from the root of the tree."""
        return f"vaults/{VAULT}/jobs/{self.jobs[name]}/output"

    # what tests change: rows of the emulator's state, the same for every dialect

    def add_vault(self, name: str, **changes: object) -> None:
        """Add an empty vault, if it is not there."""
        ids = {"id": f"ID-OF-{name}"} if self._has_ids() else {}
        self._insert("vaults", {"name": name, "created": time.time(), **ids, **changes})

    def add_job(self, name: str, job: str, **changes: object) -> str:
        """Add a job like the one for an archive, with other facts, if it is not there."""
        row = self._row("jobs", self.jobs[name])
        self._insert("jobs", {**row, "id": job, **changes})
        return job

    def add_part(self, name: str, job: str, first: int, stop: int) -> str:
        """Add a job for the bytes `first` to `stop - 1` of an archive, no subtree of it."""
        return self.add_job(name, job, first=first, last=stop - 1, tree_hash=None)

    def describe_archive(self, name: str, text: str | None, **changes: object) -> None:
        """Change the description of an archive, and other facts, before an inventory lists it."""
        self._change("archives", self.archives[name], {"description": text, **changes})

    def add_inventory(self, job: str, form: str = "JSON", **changes: object) -> str:
        """Add an inventory of the vault as it is; returns its folder in the tree."""
        nothing = dict.fromkeys(("archive", "first", "last", "tree_hash", "output_size"))
        facts = {"kind": "inventory", "format": form, "completed": time.time(), **nothing}
        self.add_job(next(iter(self.jobs)), job, **{**facts, **changes})
        return f"vaults/{VAULT}/jobs/{job}"

    def add_archives(self, contents: Mapping[str, bytes], **changes: object) -> None:
        """Add archives of these bytes, at most a MiB each, by their id, and a job for each."""
        archive = self._row("archives", next(iter(self.archives.values())))
        job = self._row("jobs", next(iter(self.jobs.values())))
        tree, now = DIALECTS[self.dialect].rules.tree, time.time()
        tables: dict[str, list[dict[str, object]]] = {"archives": [], "leaves": [], "jobs": []}
        for name, data in contents.items():
            self.emulator.archive_file(name).write_bytes(data)
            digests = tree.leaves(data)
            size, tree_hash = len(data), tree.root(digests)
            facts = {"id": name, "size": size, "tree_hash": tree_hash, "seed": None}
            tables["archives"].append({**archive, "description": None, **facts, **changes})
            tables["leaves"].append({"archive": name, "digests": b"".join(digests)})
            facts = {"id": f"job-{name}", "archive": name, "last": size - 1, "completed": now}
            tables["jobs"].append({**job, **facts, "tree_hash": tree_hash})
        for table, rows in tables.items():
            marks = ", ".join("?" * len(rows[0]))
            statement = f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})"
            self.emulator.sql_many(statement, [tuple(row.values()) for row in rows])

    def add_inventory_output(self, job: str, output: bytes, form: str = "JSON") -> str:
        """Add an inventory job with this output, whatever is in the vault; returns its folder."""
        folder = self.emulator.root / "inventories"
        folder.mkdir(exist_ok=True)
        (folder / job).write_bytes(output)
        return self.add_inventory(job, form, output_size=len(output))

    def copy_archive(self, name: str, archive: str) -> str:
        """Add an archive of the same bytes as another one, if it is not there; returns its id."""
        source = self.archives[name]
        self._insert("archives", {**self._row("archives", source), "id": archive, "seed": None})
        (digests,) = self.emulator.sql("SELECT digests FROM leaves WHERE archive = ?", source)[0]
        self._insert("leaves", {"archive": archive, "digests": digests})
        self.emulator.archive_file(archive).write_bytes(self.files[name])
        return archive

    def change_job(self, job: str, **changes: object) -> None:
        """Change facts of a job."""
        self._change("jobs", job, changes)

    def spoil(self, archive: str, offset: int) -> None:
        """Change a byte of an archive for good."""
        with self.emulator.archive_file(archive).open("r+b") as file:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    def _has_ids(self) -> bool:
        return self.emulator.sql("SELECT id FROM vaults")[0][0] is not None

    def _row(self, table: str, key: str) -> dict[str, object]:
        columns = [row[1] for row in self.emulator.sql(f"PRAGMA table_info({table})")]
        (row,) = self.emulator.sql(f"SELECT * FROM {table} WHERE id = ?", key)
        return dict(zip(columns, row, strict=True))

    def _change(self, table: str, key: str, changes: Mapping[str, object]) -> None:
        names = ", ".join(f"{name} = ?" for name in changes)
        self.emulator.sql(f"UPDATE {table} SET {names} WHERE id = ?", *changes.values(), key)

    def _insert(self, table: str, row: Mapping[str, object]) -> None:
        marks = ", ".join("?" * len(row))
        statement = f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({marks})"
        self.emulator.sql(statement, *row.values())


@contextmanager
def serving(dialect: str, root: Path, sizes: Mapping[str, int], *options: str) -> Iterator[Service]:
    """Serve archives of these sizes, each with a job that has succeeded."""
    files = {name: random_bytes(size, name) for name, size in sizes.items()}
    folder = root / "files"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    options = ("--region", REGION, "--seed", f"{VAULT}={folder}", "--fault-seed", "1", *options)
    with running_emulator(root / "emulator", *options, dialect=dialect) as emulator:
        yield Service(dialect, emulator, files)
