"""moto, an emulator of Amazon's services that nobody here wrote, seeded through boto3.

It runs as its makers publish it, in an environment of its own, plain or behind nginx: plain, it
ignores Range, sends no hashes and says that archives have 0 bytes; nginx adds ranges, and a meter
in either case.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.emulator.amazon import boto3_at, retrieve
from tests.support.nginx import free_port, running_nginx, serving
from tests.support.processes import wait_until
from tests.support.random_data import random_bytes

MIB = 1 << 20
VAULT = "restored"
PROGRAM = Path(__file__).parents[3] / ".venv-moto" / "bin" / "moto_server"

# 40 million is in the middle of what the tests restore.
_SITE = """
    log_format answers '$status $body_bytes_sent $rate "$http_range" $uri';
    map $http_range $held_from {{
        default 40000000;
        "~^bytes=([4-9][0-9]{{7}}|[0-9]{{9,}})-" 0;
    }}
    server {{
        listen 127.0.0.1:{port};
        set $rate 64k;
        if (-f {released}) {{ set $rate 0; }}
        location / {{
            proxy_pass {upstream};
            proxy_set_header Host $http_host;
            proxy_max_temp_file_size 0;
            proxy_read_timeout 600s;
            limit_rate $rate;
            limit_rate_after $held_from;
            {ranges}
            {hashes}
        }}
        access_log {root}/answers.log answers;
    }}
"""

_RANGES = """
            proxy_set_header Range "";
            proxy_force_ranges on;
"""

_HASHES = """
            sub_filter_once off;
            sub_filter_types application/json;
            {filters}
"""


@dataclass(frozen=True)
class Answer:
    """An answer with bytes of an output: its status, how many of them left, and what was asked.

    It is known when its last byte has left or its connection has ended, and so may be known late.
    """

    status: int
    size: int
    held: bool
    range: str
    job: str


class Amazon:
    """A service: where it is, and the file that each job brings."""

    def __init__(self, url: str, files: Mapping[str, bytes]) -> None:
        self.url = url
        self.files = files


class Metered(Amazon):
    """A service behind nginx, which counts, and holds back until it is released."""

    def __init__(self, url: str, files: Mapping[str, bytes], log: Path, released: Path) -> None:
        super().__init__(url, files)
        self._log = log
        self._released = released

    def release(self) -> None:
        """Answer all requests from now on as fast as it goes."""
        self._released.touch()

    def answers(self) -> list[Answer]:
        """All answers to Get Job Output so far."""
        found = []
        for line in self._log.read_text().splitlines():
            match = re.fullmatch(r'(\d+) (\d+) (\w+) "(.*)" .*/jobs/(.*)/output', line)
            if match:
                held = match[3] != "0"
                found.append(Answer(int(match[1]), int(match[2]), held, match[4], match[5]))
        return found


@contextlib.contextmanager
def moto(root: Path, sizes: Mapping[str, int]) -> Iterator[Amazon]:
    """Run moto with an archive and a finished job for each of these sizes."""
    assert PROGRAM.exists(), f"{PROGRAM} is missing: run scripts/setup --tests"
    port = free_port()
    command: list[str | Path] = [PROGRAM, "-H", "127.0.0.1", "-p", str(port)]
    # Its times are local ones that it labels as UTC.
    with serving(command, port, root / "moto.log", TZ="UTC"):
        url = f"http://127.0.0.1:{port}"
        with boto3_at(url) as client:
            yield Amazon(url, _seed(client, sizes))


@contextlib.contextmanager
def behind_nginx(
    root: Path,
    upstream: Amazon,
    ranges: bool,
    hashes: Mapping[str, str] | None = None,
    held: bool = False,
) -> Iterator[Metered]:
    """Run nginx in front of moto.

    Args:
        root: a folder for its files.
        upstream: moto.
        ranges: whether nginx answers ranges; else they are ignored, as moto does.
        hashes: tree hashes that are put into the descriptions of jobs, by job.
        held: whether what follows the first 40 MB of an output comes at 64 KiB a second and
            connection until it is released.
    """
    filters = "\n".join(
        f"""sub_filter '"JobId": "{job}", "RetrievalByteRange": null, "SHA256TreeHash": null'
            '"JobId": "{job}", "RetrievalByteRange": null, "SHA256TreeHash": "{found}"';"""
        for job, found in (hashes or {}).items()
    )
    root.mkdir(parents=True, exist_ok=True)
    released = root / "released"
    parts = {
        "released": released,
        "ranges": _RANGES if ranges else "",
        "hashes": _HASHES.format(filters=filters) if hashes else "",
    }
    with running_nginx(root, _SITE, upstream=upstream.url, **parts) as port:
        service = Metered(
            f"http://127.0.0.1:{port}", upstream.files, root / "answers.log", released
        )
        if not held:
            service.release()
        yield service


def _seed(client: Any, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """Upload archives and wait for their jobs; returns what each job brings."""
    client.create_vault(vaultName=VAULT)
    files = {}
    for name, size in sizes.items():
        data = random_bytes(size, name)
        archive = client.upload_archive(vaultName=VAULT, archiveDescription=name, body=data)
        files[retrieve(client, VAULT, archive["archiveId"], Tier="Expedited")] = data
    finished(client)
    return files


def finished(client: Any) -> None:
    """Wait until all jobs are complete; moto takes two seconds for an Expedited one."""
    wait_until(
        lambda: all(job["Completed"] for job in client.list_jobs(vaultName=VAULT)["JobList"]),
        "the jobs of moto to be complete",
    )
