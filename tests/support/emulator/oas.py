"""A running emulator of OAS for tests: signed calls by the name of a vault."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.support.emulator.oas_signing import OasSigner
from tests.support.emulator.running import KEY_ID, SECRET, RunningEmulator, running_emulator

MIB = 1 << 20
DATE = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [JFMASOND][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
DATA = (bytes(range(251)) * 14623)[: 7 << 19]
"""The 3.5 MiB of the official SDK's vector."""
WHOLE = "82E7A1E2BB2570CFE4492AEE9A410617"


def etag(data: bytes) -> str:
    return hashlib.md5(data).hexdigest().upper()


def tree_etag(data: bytes) -> str:
    """The tree etag, by the definition: the left child is the largest power of two that fits."""
    if len(data) <= MIB:
        return etag(data)
    width = MIB
    while width * 2 < len(data):
        width *= 2
    return etag((tree_etag(data[:width]) + tree_etag(data[width:])).encode())


def hashes(data: bytes) -> dict[str, str]:
    """The headers that announce a body."""
    return {"x-oas-content-etag": etag(data), "x-oas-tree-etag": tree_etag(data)}


def code(response: requests.Response) -> tuple[int, str]:
    """Status and code of an error, whose body has the documented form."""
    body = response.json()
    assert set(body) == {"code", "message", "type"}
    assert body["type"] == ("client" if response.status_code < 500 else "server")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-oas-request-id"]
    return response.status_code, body["code"]


class Oas:
    """Calls of OAS on a running emulator."""

    def __init__(self, emulator: RunningEmulator) -> None:
        self.emulator = emulator

    def call(
        self,
        method: str,
        path: str = "",
        *,
        params: Mapping[str, str] | str | None = None,
        headers: Mapping[str, Any] | None = None,
        data: Any = None,
        signer: OasSigner | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """Send a signed request for `/vaults` + `path`; no check of the status."""
        return self.emulator.session.request(
            method,
            f"{self.emulator.url}/vaults{path}",
            params=params,
            headers=headers,
            data=data,
            auth=signer or OasSigner(KEY_ID, SECRET),
            stream=stream,
            timeout=60,
        )

    def good(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request that must succeed."""
        response = self.call(*args, **kwargs)
        assert response.ok, (response.status_code, response.text)
        return response

    def create_vault(self, name: str) -> str:
        """Returns the id."""
        return self.good("PUT", f"/{name}").headers["x-oas-vault-id"]

    def upload(self, vault: str, data: bytes, description: str | None = None) -> str:
        """Upload an archive; returns its id."""
        headers: dict[str, Any] = hashes(data)
        if description is not None:
            headers["x-oas-archive-description"] = description.encode()
        response = self.good("POST", f"/{vault}/archives", headers=headers, data=data)
        return response.headers["x-oas-archive-id"]

    def start(self, vault: str, **fields: object) -> str:
        """Initiate a job with these fields; returns its id."""
        response = self.good("POST", f"/{vault}/jobs", data=json.dumps(fields))
        return response.headers["x-oas-job-id"]

    def retrieve(self, vault: str, archive: str, **fields: object) -> str:
        """Initiate a retrieval; returns the job's id."""
        return self.start(vault, Type="archive-retrieval", ArchiveId=archive, **fields)

    def describe(self, vault: str, job: str) -> dict[str, Any]:
        fields: dict[str, Any] = self.good("GET", f"/{vault}/jobs/{job}").json()
        return fields

    def output(
        self, vault: str, job: str, byte_range: str | None = None, **more: Any
    ) -> requests.Response:
        """Read an output, or `a-b` of it; no check of the status."""
        headers = {} if byte_range is None else {"Range": f"bytes={byte_range}"}
        return self.call("GET", f"/{vault}/jobs/{job}/output", headers=headers, **more)


@contextmanager
def running_oas(root: Path, *options: str) -> Iterator[Oas]:
    """Run an emulator of OAS with its state in `root` and further options."""
    with running_emulator(root, *options, dialect="oas") as emulator:
        yield Oas(emulator)
