"""Bytes of descriptions, through the command line and a client, and one name for each archive."""

import csv
import io
import json
from contextlib import closing

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from tests.support.emulator.running import KEY_ID, SECRET
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin

BYTES = [
    b"plain/a.txt",
    b"half \xed\xa0\xbd",
    b"pair \xed\xa0\xbd\xed\xb8\x80",
    b"as a byte \xed\xb2\x85",
    b"a byte \x85",
    b"two \xed\xb3\x83\xed\xb2\xa9",
    "é".encode(),
    b"cut \xe7\x85",
]
HASH = "ab" * 32
HEADER = b"ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\n"
IN_CSV = HEADER + b"".join(
    b"a%d,%s,2019-04-12T08:15:30Z,5,%s\n" % (number, data, HASH.encode())
    for number, data in enumerate(BYTES)
)


def record(number, data):
    return b'{"ArchiveId":"a%d","ArchiveDescription":"%s","Size":5,"SHA256TreeHash":null}' % (
        number,
        data,
    )


def inventory(descriptions):
    rows = b",".join(record(number, data) for number, data in enumerate(descriptions))
    return b'{"InventoryDate":"2026-01-01T00:00:00Z","ArchiveList":[' + rows + b"]}"


def job(name, data):
    text = data.decode(errors="surrogateescape")
    return {"JobId": name, "Action": "InventoryRetrieval", "@text": text}


@pytest.mark.parametrize("data", [inventory(BYTES), IN_CSV], ids=["JSON", "CSV"])
def test_every_description_comes_back_byte_for_byte(casfs, tmp_path, data):
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": [job("i", data)]}}) as origin:

        def run(*arguments):
            done = casfs(*arguments, CASFS_ENDPOINT=origin.url)
            assert done.returncode == 0, done.stderr
            return done.stdout

        text = run("cat", "--inventory", "csv", "v", "i").decode(errors="surrogateescape")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert in_bytes(row["ArchiveDescription"] for row in rows) == BYTES
        as_json = run("cat", "--inventory", "json", "v", "i").decode(errors="surrogateescape")
        listed = json.loads(as_json)["ArchiveList"]
        assert in_bytes(row["ArchiveDescription"] for row in listed) == BYTES
        run("catalog", "refresh", "v")
        found = {
            one["id"]: one["description"] for one in json.loads(run("find", "v", "*", "--json"))
        }
        assert in_bytes(found[f"a{number}"] for number in range(len(BYTES))) == BYTES


def in_bytes(texts):
    return [text.encode(errors="surrogateescape") for text in texts]


@pytest.mark.parametrize("listed", [b"photos/caf\xe9 \xed\xa0\xbd.jpg", b"elsewhere/b.jpg"])
def test_an_archive_that_is_named_by_its_bytes_has_one_name_in_the_end(tmp_path, listed):
    """The header of Glacier and the inventory of it, with the same text and with another one."""
    told = b"photos/caf\xe9 \xed\xa0\xbd.jpg"
    archive = {"JobId": "j", "ArchiveId": "a0", "@text": "bytes"}
    headers = {"x-amz-archive-description": told.decode("latin-1")}
    with RunningOrigin(tmp_path / "o", {"v": {"jobs": [archive]}}, dialect="glacier") as origin:
        origin.misbehave({"when": {"job": "j", "call": "output"}, "do": {"headers": headers}})
        config = Config(
            endpoint=origin.url,
            credentials=Credentials(KEY_ID, SECRET),
            cache_dir=tmp_path / "cache",
            dialect="glacier",
            region="us-east-1",
            listing_ttl=0.0,
        )
        with closing(Client(config)) as client:

            def names():
                entries = client.archives.find("v", "*")
                return {one.archive.id: one.path for one in entries if one.archive}

            def read():
                file = client.open(client.stat("/vaults/v/jobs/j/output"))
                file.pread(5, 0)
                file.close()

            read()
            wait_until(
                lambda: names() == {"a0": "photos/caf%ED%B3%A9 %ED%B3%AD%ED%B2%A0%ED%B2%BD.jpg"},
                "name",
            )
            origin.hold({"v": {"jobs": [archive, job("i", inventory([listed]))]}})
            client.archives.refresh("v", lambda *_: None)
        with closing(Client(config)) as client:
            read()
            client.archives.refresh("v", lambda *_: None)
            (path,) = names().values()
            folders = [one.path for one in client.archives.entries("v", "", everything=True)]
            assert folders == [path.partition("/")[0]]
            assert path.startswith(listed[:10].decode())
