"""A running emulator for tests: its own process, signed calls, its access log and its state."""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import requests
from requests.auth import AuthBase

from casfs.treehash import SHA256, to_text
from tests.support.emulator.signing import Signer
from tests.support.forked import ForkedServer
from tests.support.starting import printed_url

KEY_ID = "AKIDexample"
SECRET = "dummySecretKeyForTests0000000001"
KEYS = {"CASFS_ACCESS_KEY_ID": KEY_ID, "CASFS_SECRET_ACCESS_KEY": SECRET}
"""Put these into the environment of whatever talks to the emulator."""

ACCOUNT = "1250000000"


@dataclass(frozen=True)
class Entry:
    """One line of the access log."""

    time: float
    method: str
    path: str
    query: str
    range: str | None
    status: int | None
    content_range: str | None
    bytes: int
    fault: str | None
    request_id: str
    archive: str | None = None
    tier: str | None = None
    part: str | None = None
    job: str | None = None

    @property
    def is_output(self) -> bool:
        return self.path.endswith("/output")

    @property
    def is_job_request(self) -> bool:
        return self.method == "POST" and self.path.endswith("/jobs")


class RunningEmulator:
    """An emulator in a process of its own; a context manager that ends it."""

    def __init__(
        self,
        root: Path,
        *options: str,
        dialect: str = "cas",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.dialect = dialect
        self.access_log = root / "access.jsonl"
        root.mkdir(parents=True, exist_ok=True)
        self._errors_path = root / "stderr.txt"
        self._errors_path.touch()
        self._process = ForkedServer(
            _emulator,
            [
                "--dialect",
                dialect,
                "--root",
                f"{root}",
                "--access-log",
                f"{self.access_log}",
                *options,
            ],
            {**os.environ, **KEYS, **(env or {})},
            self._errors_path,
        )
        self.session = requests.Session()
        self.session.trust_env = False
        try:
            self.url = printed_url(self._process.output, self._errors_path)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "RunningEmulator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def errors(self) -> str:
        """What it has written to standard error."""
        return self._errors_path.read_text()

    def stop(self) -> int:
        """End it, by force if it does not end by itself; returns the exit status."""
        if hasattr(self, "session"):
            self.session.close()
        self._process.terminate()
        status = self._process.wait(10)
        if status is None:
            self._process.kill()
            status = self._process.wait(60)
        assert status is not None
        self._process.close()
        return status

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self.stop()

    # state

    def entries(self, path: str = "") -> list[Entry]:
        """The access log so far; only entries whose path contains `path`."""
        if not self.access_log.exists():
            return []
        lines = self.access_log.read_text().splitlines()
        found = [Entry(**json.loads(line)) for line in lines]
        return [entry for entry in found if path in entry.path]

    def outputs(self) -> list[Entry]:
        """The entries that read outputs."""
        return [entry for entry in self.entries() if entry.is_output]

    def job_requests(self) -> list[Entry]:
        """The entries that ask for jobs."""
        return [entry for entry in self.entries() if entry.is_job_request]

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement on the state; see `casfs.emulator.engine.store` for the tables."""
        with closing(sqlite3.connect(self.root / "state.sqlite", timeout=60)) as rows, rows:
            return rows.execute(statement, values).fetchall()

    def sql_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement on the state for each row of values."""
        with closing(sqlite3.connect(self.root / "state.sqlite", timeout=60)) as state, state:
            state.executemany(statement, rows)

    def expire(self, job: str) -> None:
        """Let a job have completed so long ago that it has expired."""
        self.sql("UPDATE jobs SET created = 1, completed = 1 WHERE id = ?", job)

    def finish(self, job: str) -> None:
        """Let a running job be complete from now on."""
        self.sql("UPDATE jobs SET completed = ? WHERE id = ?", time.time(), job)

    def archive_file(self, archive: str) -> Path:
        """Where the bytes of an archive are: change them to get bytes that are always wrong."""
        return self.root / "archives" / archive

    # signed calls

    def call(
        self,
        method: str,
        path: str,
        *,
        account: str = "-",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        signer: AuthBase | None = None,
        stream: bool = False,
        timeout: float = 60,
    ) -> requests.Response:
        """Send a signed request for `/<account>/vaults` + `path`; no check of the status."""
        return self.session.request(
            method,
            f"{self.url}/{account}/vaults{path}",
            params=params,
            headers=headers,
            data=data,
            auth=signer or Signer(KEY_ID, SECRET),
            stream=stream,
            timeout=timeout,
        )

    def _good(self, response: requests.Response) -> requests.Response:
        assert response.ok, (response.status_code, response.text)
        return response

    def create_vault(self, vault: str) -> None:
        self._good(self.call("PUT", f"/{vault}"))

    def upload(self, vault: str, data: bytes, description: str | None = None) -> str:
        """Upload an archive; returns its id."""
        headers = hashes(data)
        if description is not None:
            headers["x-cas-archive-description"] = description
        response = self.call("POST", f"/{vault}/archives", headers=headers, data=data)
        return self._good(response).headers["x-cas-archive-id"]

    def start(self, vault: str, **fields: object) -> str:
        """Initiate a job with these fields; returns its id."""
        response = self.call("POST", f"/{vault}/jobs", data=json.dumps(fields))
        return self._good(response).headers["x-cas-job-id"]

    def retrieve(self, vault: str, archive: str, **fields: object) -> str:
        """Initiate a retrieval; returns the job's id."""
        return self.start(vault, Type="archive-retrieval", ArchiveId=archive, **fields)

    def describe(self, vault: str, job: str) -> dict[str, Any]:
        fields: dict[str, Any] = self._good(self.call("GET", f"/{vault}/jobs/{job}")).json()
        return fields

    def jobs(self, vault: str, **params: str) -> list[dict[str, Any]]:
        """The jobs on the first page of the list."""
        response = self._good(self.call("GET", f"/{vault}/jobs", params=params))
        found: list[dict[str, Any]] = response.json()["JobList"]
        return found

    def output(
        self, vault: str, job: str, byte_range: str | None = None, **more: Any
    ) -> requests.Response:
        """Read an output, or `a-b` of it; no check of the status."""
        headers = {} if byte_range is None else {"Range": f"bytes={byte_range}"}
        return self.call("GET", f"/{vault}/jobs/{job}/output", headers=headers, **more)


def _emulator() -> None:
    # Imported by the process that it is forked from: see tests/support/forked.py.
    from casfs.emulator.command import emulator

    emulator(prog_name="casfs emulator")


def hashes(data: bytes) -> dict[str, str]:
    """The headers that announce a body."""
    return {
        "x-cas-content-sha256": hashlib.sha256(data).hexdigest(),
        "x-cas-sha256-tree-hash": to_text(SHA256.root(SHA256.leaves(data))) if data else "",
    }


@contextmanager
def running_emulator(
    root: Path, *options: str, dialect: str = "cas", env: Mapping[str, str] | None = None
) -> Iterator[RunningEmulator]:
    """Run an emulator with its state in `root` and further options, such as `--seed VAULT=DIR`."""
    with RunningEmulator(root, *options, dialect=dialect, env=env) as emulator:
        yield emulator


@contextmanager
def running_anew(emulator: RunningEmulator, *options: str) -> Iterator[RunningEmulator]:
    """End an emulator and run it again, with the same state, at the same port.

    It notices only some time later that a client has died, and logs what it sent to that client
    then. The log of one that has ended has all, so what comes from now on is asked for by others.
    """
    emulator.stop()
    options = (*options, "--port", str(emulator.port))
    with running_emulator(emulator.root, *options, dialect=emulator.dialect) as anew:
        yield anew


def code(response: requests.Response) -> tuple[int, str]:
    """Status and code of an error, whose body has the documented form."""
    fields: dict[str, Any] = response.json()
    assert set(fields) == {"code", "message", "type"}
    assert fields["type"] == "Client"
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-cas-requestid"]
    return response.status_code, fields["code"]
