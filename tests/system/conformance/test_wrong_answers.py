"""Wrong answers of all kinds, once and always: right bytes or an error, and right ones later."""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from casfs.blocks.block_tuning import BlockTuning
from casfs.blocks.gets import line
from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from tests.support.origin_account import MIB, leaves, made_bytes, root
from tests.support.running_origin import RunningOrigin

BLOCKS = 4
SIZE = (BLOCKS - 1) * MIB + 777
LATER = 2 * MIB
"""Where the second GET of an output begins, since they are made small here."""

DETECTED: dict[str, dict[str, Any]] = {
    "the part as 200": {"part": True},
    "the part as 200, in chunks": {"part": True, "framing": "chunked"},
    "the part as 200, until close": {"part": True, "framing": "close"},
    "the part as 200, in HTTP/1.0": {"part": True, "framing": "close", "http": "1.0"},
    "the part as 200, in chunks, cut": {"part": True, "framing": "chunked", "cut": MIB},
    "the part as 200, until close, cut": {"part": True, "framing": "close", "cut": MIB},
    "the part as 200, with the whole's length": {"part": True, "length": SIZE},
    "the part and more as 200, until close": {"part": True, "framing": "close", "pad": SIZE},
    "the part as 200, which it says": {
        "part": True,
        "headers": {"Content-Range": f"bytes {LATER}-{SIZE - 1}/{SIZE}"},
    },
    "the whole": {"whole": True},
    "the whole in chunks": {"whole": True, "framing": "chunked"},
    "the whole until close": {"whole": True, "framing": "close"},
    "the whole without a hash": {"whole": True, "hash": None},
    "the whole in chunks without a hash": {"whole": True, "framing": "chunked", "hash": None},
    "the whole until close without a hash": {"whole": True, "framing": "close", "hash": None},
    "the whole and a byte": {"whole": True, "pad": 1},
    "the whole and a byte in chunks": {"whole": True, "pad": 1, "framing": "chunked", "hash": None},
    "the whole and a byte until close": {
        "whole": True,
        "pad": 1,
        "framing": "close",
        "hash": None,
    },
    "the whole, cut": {"whole": True, "cut": MIB + 9, "hash": None},
    "the whole, cut before its last byte": {"whole": True, "cut": SIZE - 1, "hash": None},
    "the whole in chunks, cut": {
        "whole": True,
        "framing": "chunked",
        "cut": MIB + 9,
        "hash": None,
    },
    "the whole until close, cut": {"whole": True, "framing": "close", "cut": MIB + 9, "hash": None},
    "the whole, reset": {"whole": True, "reset": 2 * MIB + 9, "hash": None},
    "the whole, stalled": {"whole": True, "stall": 2 * MIB + 9, "hash": None},
    "the whole as 206": {"whole": True, "status": 206},
    "the whole with the range of a part": {
        "whole": True,
        "headers": {"Content-Range": f"bytes {LATER}-{SIZE - 1}/{SIZE}"},
    },
    "the whole and its length one more": {"whole": True, "length": "+1"},
    "the whole and its length one less": {"whole": True, "length": "-1"},
    "cut at once": {"cut": 0},
    "cut": {"cut": MIB + 9},
    "cut in chunks": {"cut": MIB + 9, "framing": "chunked"},
    "cut until close": {"cut": MIB + 9, "framing": "close"},
    "reset": {"reset": MIB + 9},
    "stalled": {"stall": MIB + 9},
    "a byte more": {"pad": 1},
    "a byte more in chunks": {"pad": 1, "framing": "chunked"},
    "a byte more until close": {"pad": 1, "framing": "close"},
    "a length one more": {"length": "+1"},
    "a length one less": {"length": "-1"},
    "a length of nothing": {"length": 0},
    "a length that is none": {"headers": {"Content-Length": "many"}},
    "a negative length": {"headers": {"Content-Length": "-5"}},
    "both framings": {"framing": "both"},
    "both framings that differ": {"framing": "both", "length": "+1"},
    "an unknown framing": {"headers": {"Transfer-Encoding": "gzip, chunked"}},
    "gzip": {"encode": "gzip"},
    "gzip in chunks": {"encode": "gzip", "framing": "chunked"},
    "gzip until close": {"encode": "gzip", "framing": "close"},
    "gzip of the whole": {"whole": True, "encode": "gzip"},
    "gzip of the whole until close": {"whole": True, "encode": "gzip", "framing": "close"},
    "gzip of the part as 200, in chunks": {"part": True, "encode": "gzip", "framing": "chunked"},
    "deflate": {"encode": "deflate"},
    "said to be br": {"headers": {"Content-Encoding": "br"}},
    "several ranges": {"headers": {"Content-Type": "multipart/byteranges; boundary=b"}},
    "no Content-Range": {"headers": {"Content-Range": None}},
    "no Content-Range, until close": {"headers": {"Content-Range": None}, "framing": "close"},
    "no range satisfiable": {"headers": {"Content-Range": f"bytes */{SIZE}"}},
    "another range": {"headers": {"Content-Range": f"bytes 1-{LATER}/{SIZE}"}},
    "another total": {"headers": {"Content-Range": f"bytes 0-{LATER - 1}/{SIZE + 1}"}},
    "a range in words": {"headers": {"Content-Range": "the first half"}},
    "203": {"status": 203},
    "201 and the whole": {"whole": True, "status": 201},
    "204": {"status": 204, "text": ""},
    "nothing": {"text": ""},
    "nothing as 200, until close": {"part": True, "text": "", "framing": "close"},
    "a page": {"html": "<html>log in</html>"},
    "a page in chunks": {"html": "<html>log in</html>", "framing": "chunked"},
    "a page until close": {"html": "<html>log in</html>", "framing": "close"},
    "a page as 206": {"html": "<html>log in</html>", "status": 206},
    "a page as 404": {"html": "<html>gone</html>", "status": 404},
    "a page as 403": {"html": "<html>stop</html>", "status": 403},
    "a page as 302": {"html": "<html>there</html>", "status": 302, "headers": {"Location": "/"}},
    "a page as 416": {"html": "<html>no</html>", "status": 416},
    "a page as 502": {"html": "<html>busy</html>", "status": 502},
    "an object": {"json": {"JobList": []}},
    "a slow down": {"error": "ThrottlingException", "status": 400},
    "a refusal": {"error": "AccessDeniedException", "status": 403},
    "gone": {"error": "ResourceNotFoundException", "status": 404},
    "a failure": {"error": "InternalError", "status": 500},
    "a wrong hash": {"hash": "wrong"},
    "a hash that is none": {"headers": {"x-cas-sha256-tree-hash": "none"}},
    "no hash": {"hash": None},
    "no answer": {"hang": True},
    "a closed connection": {"drop": True},
    "no HTTP": {"raw": "SSH-2.0-OpenSSH_9.2\r\n"},
    "a head that breaks off": {"raw": "HTTP/1.1 206 Partial Content\r\nContent-Length: 5"},
    "a head alone": {"raw": "HTTP/1.1 200 OK\r\n\r\n"},
}
"""What lengths, ranges, codings and statuses show to be wrong, or what is right in another form."""

HASHED: dict[str, dict[str, Any]] = {
    "other bytes": {"flip": 5},
    "other bytes, no hash": {"flip": 5, "hash": None},
    "other bytes of the whole": {"whole": True, "flip": MIB + 5, "hash": None},
    "bytes from elsewhere": {"shift": MIB, "hash": None},
    "bytes from elsewhere as the whole": {"whole": True, "shift": MIB, "hash": None},
}
"""What only a hash shows."""

TRUE_OF_INVENTORIES = {
    "the whole and a byte",
    "the whole and a byte in chunks",
    "the whole and a byte until close",
    "the whole and its length one less",
}
"""What, if it comes always, is an inventory of another length than its job tells: that is read."""

KINDS = {**DETECTED, **HASHED}
SLOW = {name for name, do in KINDS.items() if "stall" in do or "hang" in do}

PATHS = {
    "archive": "jobs/archive/output",
    "hashless": "jobs/hashless/output",
    "aligned": "jobs/aligned/output",
    "joined": "archives/by-id/archive-of-parts",
    "unaligned": "jobs/unaligned/output",
    "json": "jobs/json/output",
    "csv": "jobs/csv/output",
    "csv of json": "jobs/json/inventory.csv",
    "json of csv": "jobs/csv/inventory.json",
}
OUTPUTS = [name for name, path in PATHS.items() if "inventory." not in path]
WITH_HASH = ("archive", "hashless", "aligned", "joined")


def inventory_text(form: str) -> str:
    """An inventory of as many bytes as an output has at least."""
    rows = [
        {
            "ArchiveId": f"a{number}",
            "ArchiveDescription": f"{number}" * 9000,
            "CreationDate": "2026-01-01T00:00:00Z",
            "Size": 5,
            "SHA256TreeHash": "0" * 64,
        }
        for number in range(1000, 1000 + SIZE // 36000)
    ]
    if form == "JSON":
        return json.dumps({"VaultQCS": "q", "InventoryDate": None, "ArchiveList": rows})
    lines = [",".join(rows[0]), *(",".join(f"{value}" for value in row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


def jobs() -> list[dict[str, Any]]:
    data = made_bytes(SIZE, 1)
    digest = root(leaves(data)).hex()
    inventory = {"Action": "InventoryRetrieval"}
    part = {
        "ArchiveId": "archive-of-parts",
        "ArchiveSizeInBytes": SIZE,
        "ArchiveSHA256TreeHash": digest,
    }
    return [
        {"JobId": "archive", "@size": SIZE},
        {"JobId": "hashless", "@size": SIZE, "@hashes": False, "SHA256TreeHash": digest},
        {
            "JobId": "aligned",
            "@size": BLOCKS * MIB,
            "@of": [BLOCKS, 2 * BLOCKS, 2 * BLOCKS],
            "ArchiveSizeInBytes": 2 * BLOCKS * MIB,
        },
        {"JobId": "part-1", "@file": "part-1", "@of": [0, 2, BLOCKS], **part},
        {"JobId": "part-2", "@file": "part-2", "@of": [2, BLOCKS, BLOCKS], **part},
        {
            "JobId": "unaligned",
            "@size": SIZE,
            "@hashes": False,
            "RetrievalByteRange": f"77-{SIZE + 76}",
            "ArchiveSizeInBytes": 9 * MIB,
        },
        {"JobId": "json", "@file": "json", **inventory},
        {
            "JobId": "csv",
            "@file": "csv",
            **inventory,
            "InventoryRetrievalParameters": {"Format": "CSV"},
        },
    ]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOrigin]:
    folder = tmp_path_factory.mktemp("origin")
    held, data = jobs(), made_bytes(SIZE, 1)
    contents = {
        "part-1": data[:LATER],
        "part-2": data[LATER:],
        "json": inventory_text("JSON").encode(),
        "csv": inventory_text("CSV").encode(),
    }
    for job in held:
        if "@file" in job:
            path = folder / job["@file"]
            path.write_bytes(contents[job["@file"]])
            job["@file"] = str(path)
    # GETs of half an output, so that there is a later one.
    with pytest.MonkeyPatch.context() as patch, RunningOrigin(folder, {"v": {"jobs": held}}) as one:
        patch.setattr(line, "TUNING", BlockTuning(largest_get=2))
        yield one


@pytest.fixture(scope="module")
def right(origin: RunningOrigin, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is right, and what is made of it while the service behaves."""
    origin.misbehave()
    with closing(client_of(origin, tmp_path_factory.mktemp("right"))) as client:
        found = {name: whole(client, name)[0] for name in PATHS}
    data = made_bytes(SIZE, 1)
    assert all(found[name] == data for name in ("archive", "hashless", "joined", "unaligned"))
    assert found["aligned"] == made_bytes(BLOCKS * MIB, 1)
    assert found["json"] == inventory_text("JSON").encode()
    assert found["csv"] == inventory_text("CSV").encode()
    return found


def client_of(origin: RunningOrigin, folder: Path, deadline: float = 20) -> Client:
    return Client(
        Config(
            endpoint=origin.url,
            credentials=Credentials("id", "secret"),
            cache_dir=folder / "cache",
            attempts=2,
            deadline=deadline,
            connections=4,
        )
    )


def whole(client: Client, name: str) -> tuple[bytes, str]:
    """What is read of a file from its beginning to its end, and whether it is verified."""
    node = client.stat(f"vaults/v/{PATHS[name]}")
    with contextlib.closing(client.open(node)) as file:
        size = node.size if node.size is not None else file.size
        data = b"".join(bytes(file.pread(MIB // 2, at)) for at in range(0, size, MIB // 2))
    return data, client.attributes(node)["verified"]


def check(client: Client, names: list[str], right: dict[str, bytes], errors: bool) -> None:
    """Read all at once; with `errors` some may fail, but none may be wrong."""

    def read(name: str) -> str | None:
        try:
            data, verified = whole(client, name)
        except OSError as error:
            return None if errors else f"{name}: {error}"
        if data != right[name]:
            return f"{name}: {len(data)} wrong bytes"
        if not errors and verified != ("yes" if name in WITH_HASH else "no"):
            return f"{name}: verified is {verified}"
        return None

    with ThreadPoolExecutor(len(names)) as pool:
        assert not [found for found in pool.map(read, names) if found]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", ["once", "always"])
def test_no_wrong_answer_becomes_wrong_bytes(
    origin: RunningOrigin, right: dict[str, bytes], tmp_path: Path, kind: str, when: str
) -> None:
    # What is made of an inventory takes longest, and is wrong in no other way than that.
    named = PATHS if kind.startswith("the part") else OUTPUTS
    names = list(WITH_HASH if kind in HASHED else named)
    if when == "always" and kind in TRUE_OF_INVENTORIES:
        names = [name for name in names if not PATHS[name].startswith(("jobs/json", "jobs/csv"))]
    rules = []
    for job in (job["JobId"] for job in jobs()):
        fits: dict[str, Any] = {"call": "output", "job": job}
        if when == "once" and not job.startswith("part"):
            fits["from"] = LATER
        # Rules are told apart by what they are, also from those of earlier tests.
        fits |= {} if when == "always" else {"key_not": [str(tmp_path)]}
        rules.append({"when": fits, "do": KINDS[kind]} | ({} if when == "always" else {"times": 1}))
    origin.misbehave(*rules)
    with closing(client_of(origin, tmp_path, 1 if kind in SLOW else 20)) as client:
        check(client, names, right, errors=True)
        origin.misbehave()
        # What was handed on of a wrong answer, or a size that it told, may be told as wrong first.
        check(client, names, right, errors=True)
    with closing(client_of(origin, tmp_path)) as client:
        check(client, names, right, errors=False)
