"""What docs/architecture.md says of a new dialect: one file and one row are all it takes."""

import json
import os
import re
import types
from pathlib import Path

import pytest

from casfs.client import Client
from casfs.config import load
from casfs.profiles import profiles
from casfs.service.registry import DIALECTS
from tests.support.archive import MIB, flipped, random_bytes, root
from tests.support.server import Answer, Request, Wire, serving

DOCUMENT = Path(__file__).parents[3] / "docs" / "architecture.md"
DATA = random_bytes(2 * MIB + 5)


@pytest.fixture
def frost(monkeypatch, tmp_path):
    """The module in the document, in the table; and a key for it in the home folder."""
    (source,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    module = types.ModuleType("frost")
    exec(compile(source, DOCUMENT.name, "exec"), vars(module))
    monkeypatch.setitem(DIALECTS, "frost", module.FROST)
    (tmp_path / ".frost").write_text("[frost]\nid = me\nkey = secret\n")
    return tmp_path


def serve(sent: bytes):
    """Frost, with one job in one vault; these are the bytes that it sends for `DATA`."""
    job = {
        "JobId": "j",
        "Action": "ArchiveRetrieval",
        "StatusCode": "Succeeded",
        "ArchiveSizeInBytes": len(DATA),
        "RetrievalByteRange": f"0-{len(DATA) - 1}",
        "TreeHash": root(DATA).hex(),
    }

    def answer(request: Request, wire: Wire) -> Answer:
        assert request.headers["authorization"] == "Frost secret"
        path = request.path.removeprefix("/accounts/7/vaults")
        if path.endswith("/output"):
            first, stop = request.span or (0, len(DATA))
            return Answer(206, sent[first:stop], {
                "Content-Range": f"bytes {first}-{stop - 1}/{len(DATA)}",
                "x-frost-tree-hash": root(DATA[first:stop]).hex(),
            })  # fmt: skip
        found: dict[str, object] = {
            "": {"VaultList": [{"VaultName": "v"}]},
            "/v/jobs": {"JobList": [job]},
            "/v/jobs/j": job,
        }
        return Answer(body=json.dumps(found[path]).encode())

    return serving(answer)


@pytest.mark.parametrize("sent", [DATA, flipped(DATA, MIB)], ids=["right", "wrong"])
def test_a_file_and_a_row_make_a_dialect(frost, sent):
    with serve(sent) as server:
        environment = {
            "CASFS_CONFIG": os.devnull,
            "CASFS_CACHE_DIR": str(frost / "cache"),
            "CASFS_DIALECT": "frost",
            "CASFS_ENDPOINT": server.url,
            "CASFS_ACCOUNT": "7",
            "CASFS_ATTEMPTS": "2",
        }
        client = Client(load(None, None, environment, frost))
        try:
            file = client.open(client.stat("/vaults/v/jobs/j/output"))
            if sent == DATA:
                assert bytes(file.pread(len(DATA), 0)) == DATA
            else:
                with pytest.raises(OSError, match="tree hash"):
                    file.pread(len(DATA), 0)
            file.close()
        finally:
            client.close()


def test_its_key_is_found(frost):
    listed = profiles({"CASFS_CONFIG": os.devnull}, frost)
    assert [found.access_key_id for found in listed if found.dialect == "frost"] == ["me"]
