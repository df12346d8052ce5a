"""Outputs of which the job tells no size, or a wrong one: measured, and measured again in doubt."""

import contextlib
import itertools
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.errors import CasfsError, InventoryError, NotFoundError, SizeError
from tests.support.archive import MIB
from tests.support.client_reading import content, names
from tests.support.running_origin import RunningOrigin
from tests.support.running_origin import content as bytes_of
from tests.support.service import KEY

ARCHIVES = [
    {
        "ArchiveId": f"archive-{number:04}",
        "ArchiveDescription": f"photo {number}.jpg",
        "CreationDate": "2026-01-01T00:00:00Z",
        "Size": number,
        "SHA256TreeHash": "00" * 32,
    }
    for number in range(5_200)
]
TEXT = json.dumps({"VaultQCS": "qcs", "InventoryDate": None, "ArchiveList": ARCHIVES})
INVENTORY: dict[str, Any] = {"JobId": "inv", "Action": "InventoryRetrieval", "@text": TEXT}
UNSIZED = {"JobId": "arc", "@size": 3 * MIB + 5, "ArchiveSizeInBytes": None}
UNSIZED |= {"RetrievalByteRange": None}
PAGE = "<html>" + "please sign in to the network " * 10 + "</html>"
FOLDER = "/vaults/v/jobs/inv"
OUTPUT, ARCHIVE = f"{FOLDER}/output", "/vaults/v/jobs/arc/output"

Made = Callable[..., Client]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOrigin]:
    with RunningOrigin(tmp_path_factory.mktemp("origin"), {}) as one:
        yield one


@pytest.fixture
def origin(running: RunningOrigin) -> RunningOrigin:
    running.misbehave()
    hold(running)
    return running


@pytest.fixture
def made(origin: RunningOrigin, tmp_path: Path) -> Iterator[Made]:
    """Make clients that share a cache."""
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> Client:
            told = {"deadline": 20.0, "attempts": 3, **settings}
            client = Client(Config(origin.url, KEY, tmp_path / "cache", **told))
            stack.callback(client.close)
            return client

        yield make


def hold(origin: RunningOrigin, **facts: Any) -> None:
    origin.hold({"v": {"jobs": [INVENTORY | facts, UNSIZED]}})


_RULES = itertools.count()


def answers(**do: Any) -> dict[str, Any]:
    """A rule of its own, which counts for itself."""
    return {"when": {"call": "output"}, "do": do, "number": next(_RULES)}


FRAMINGS: dict[str, dict[str, Any]] = {
    "ranges": {},
    "whole": {"whole": True},
    "chunked": {"framing": "chunked"},
    "whole chunked": {"whole": True, "framing": "chunked"},
    "until close": {"whole": True, "framing": "close"},
}
CLAIMS = [None, 0, 1, 306, 10_000, len(TEXT), len(TEXT) + 1, 50_000_000, str(len(TEXT) - 1)]


def test_an_end_behind_fewer_bytes_than_were_told_is_no_size(
    origin: RunningOrigin, made: Made
) -> None:
    """It may be a break, and an inventory in CSV would be short without a sign of it."""
    hold(origin, InventorySizeInBytes=50_000_000)
    origin.misbehave(answers(**FRAMINGS["until close"]))
    with pytest.raises(CasfsError, match="announced"):
        content(made(), OUTPUT)


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_inventory_is_read_in_its_true_length(
    origin: RunningOrigin,
    made: Made,
    framing: str,
    claim: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if framing != "ranges" and claim not in (None, 306, 10_000, 50_000_000):
        return
    if framing == "until close" and claim == 50_000_000:
        # An end of the connection behind fewer bytes than were told may be a break.
        return
    hold(origin, InventorySizeInBytes=claim)
    origin.misbehave(answers(**FRAMINGS[framing]))
    client = made()
    with caplog.at_level(logging.WARNING):
        assert names(client, FOLDER) == ["inventory.csv", "inventory.json", "job.json", "output"]
        assert client.stat(OUTPUT).size == len(TEXT)
    assert content(client, OUTPUT) == TEXT.encode()
    assert client.attributes(client.stat(OUTPUT))["verified"] == "no"
    assert client.stat(f"{FOLDER}/inventory.json").size == len(TEXT)
    assert len(content(client, f"{FOLDER}/inventory.csv").splitlines()) == len(ARCHIVES) + 1
    wrong = claim not in (None, 0, len(TEXT))
    assert wrong == ("not the size that its job says" in caplog.text)


def test_a_size_is_measured_once(origin: RunningOrigin, made: Made) -> None:
    client, before = made(), len(origin.requests("output"))
    for _ in range(3):
        assert client.stat(OUTPUT).size == len(TEXT)
        assert client.stat(ARCHIVE).size == 3 * MIB + 5
    client.close()
    later = made()
    assert later.stat(OUTPUT).size == len(TEXT)
    client = later
    assert [one.size for one in later.list(FOLDER) if one.path == OUTPUT] == [len(TEXT)]
    content(client, OUTPUT)
    asked = [one["range"] for one in origin.requests("output")[before:] if one["job"] == "inv"]
    assert len(asked) == len(set(asked)) == 2


def test_a_size_that_is_stated_serves_while_the_service_is_away(
    origin: RunningOrigin, made: Made
) -> None:
    client = made(deadline=1.0)
    client.list("/vaults/v/jobs")
    origin.misbehave(answers(drop=True))
    assert client.stat(OUTPUT).size == len(TEXT)
    assert client.stat(f"{FOLDER}/job.json").size


PAGES: dict[str, dict[str, Any]] = {
    "html": {"html": PAGE},
    "no type": {"text": PAGE, "status": 200, "headers": {"Content-Type": None}},
    "json": {"json": {"error": "sign in"}, "status": 200, "headers": {"Content-Range": None}},
    "text": {"text": "sign in", "status": 200, "headers": {"Content-Range": None}},
    "empty": {"text": "", "status": 200, "headers": {"Content-Range": None}},
    "longer": {"pad": 9_000_000, "status": 200, "headers": {"Content-Range": None}},
}


def patiently(read: Callable[[], bytes]) -> bytes:
    """Read as a user does who tries again once it fails."""
    for _ in range(2):
        try:
            return read()
        except CasfsError:
            pass
    return read()


@pytest.mark.parametrize("again", ["same client", "new client"])
@pytest.mark.parametrize("path", [OUTPUT, ARCHIVE], ids=["inventory", "archive"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_at_the_measuring_get_does_no_lasting_harm(
    origin: RunningOrigin, made: Made, page: str, path: str, again: str
) -> None:
    hold(origin, InventorySizeInBytes=None)
    origin.misbehave(answers(**PAGES[page]) | {"times": 1})
    client = made()
    with contextlib.suppress(CasfsError):
        client.stat(path)
    if again == "new client":
        client.close()
        client = made()
    expected = TEXT.encode() if path == OUTPUT else bytes_of(UNSIZED)
    found = patiently(lambda: content(client, path))
    assert found == expected
    assert client.stat(path).size == len(expected)


def test_an_inventory_of_another_size_than_told_is_known_in_the_cache(
    origin: RunningOrigin, made: Made
) -> None:
    hold(origin, InventorySizeInBytes=10_000)
    client = made()
    assert content(client, OUTPUT) == TEXT.encode()
    (item,) = client.cache.items()
    assert (item.vault, item.jobs, item.size) == ("v", ("inv",), len(TEXT))


def keep_size(folder: Path, job: str, size: int | None) -> None:
    """Keep a size as earlier versions did."""
    (catalog,) = (folder / "cache").glob("catalog-*/*.sqlite")
    with contextlib.closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute("UPDATE jobs SET size = ? WHERE id = ?", (size, job))


SPEECH = ["ranges", "whole", "chunked", "whole chunked"]


@pytest.mark.parametrize("size", [306, MIB, 5 * MIB, len(TEXT) + 1])
@pytest.mark.parametrize("framing", SPEECH)
def test_a_wrong_size_that_was_kept_is_mended_by_reading(
    origin: RunningOrigin, made: Made, tmp_path: Path, size: int, framing: str
) -> None:
    made().list("/vaults/v/jobs")
    keep_size(tmp_path, "inv", size)
    keep_size(tmp_path, "arc", size)
    origin.misbehave(answers(**FRAMINGS[framing]))
    client = made()
    for path, expected in (OUTPUT, TEXT.encode()), (ARCHIVE, bytes_of(UNSIZED)):
        assert client.stat(path).size == size
        with pytest.raises(SizeError, match="open it again"):
            content(client, path)
        assert client.stat(path).size == len(expected)
        assert content(client, path) == expected


@pytest.mark.parametrize("told", [{"html": "<h1>No such range</h1>"}, {"error": "InvalidRange"}])
def test_a_range_behind_the_end_shows_a_wrong_size(
    origin: RunningOrigin, made: Made, tmp_path: Path, told: dict[str, Any]
) -> None:
    made().list("/vaults/v/jobs")
    keep_size(tmp_path, "arc", 9 * MIB)
    behind = answers(**told, status=416)
    behind["when"]["from"] = 8 * MIB
    origin.misbehave(behind)
    client = made()
    file = client.open(client.stat(ARCHIVE))
    with pytest.raises(SizeError):
        file.pread(1, 8 * MIB)
    file.close()
    assert content(client, ARCHIVE) == bytes_of(UNSIZED)


@pytest.mark.parametrize("size", [306, MIB, 5 * MIB])
def test_a_wrong_size_that_was_kept_does_not_reach_what_is_made_of_it(
    origin: RunningOrigin, made: Made, tmp_path: Path, size: int
) -> None:
    made().list("/vaults/v/jobs")
    keep_size(tmp_path, "inv", size)
    assert made().archives.refresh("v", lambda *_: None) == 1
    keep_size(tmp_path, "inv", size)
    client = made()
    assert len(content(client, f"{FOLDER}/inventory.csv").splitlines()) == len(ARCHIVES) + 1
    assert content(client, f"{FOLDER}/inventory.json") == TEXT.encode()
    assert client.stat(OUTPUT).size == len(TEXT)


def test_a_cut_inventory_in_the_cache_is_measured_again(
    origin: RunningOrigin, made: Made, tmp_path: Path
) -> None:
    """Both the size and the bytes came from a service that had not written it to the end yet."""
    cut = TEXT[: len(TEXT) // 2]
    hold(origin, **{"@text": cut})
    client = made()
    assert content(client, OUTPUT) == cut.encode()
    hold(origin)
    assert len(content(client, f"{FOLDER}/inventory.csv").splitlines()) == len(ARCHIVES) + 1
    assert content(client, OUTPUT) == TEXT.encode()
    # Reading it has the mount take it into the catalog, unless the refresh is faster.
    client.archives.refresh("v", lambda *_: None)
    assert len(list(client.archives.find("v", "*"))) == len(ARCHIVES)


def test_a_malformed_inventory_is_not_measured_at_each_look(
    origin: RunningOrigin, made: Made
) -> None:
    hold(origin, **{"@text": TEXT[:-1]})
    client, before = made(), len(origin.requests("output"))
    for _ in range(4):
        with pytest.raises(CasfsError, match="malformed or truncated"):
            client.stat(f"{FOLDER}/inventory.csv")
    spans = [one["range"] for one in origin.requests("output")[before:]]
    assert spans.count(f"bytes=0-{MIB - 1}") <= 3


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("path", [OUTPUT, ARCHIVE], ids=["inventory", "archive"])
def test_one_wrong_answer_does_not_shake_a_right_size(
    origin: RunningOrigin, made: Made, path: str, page: str
) -> None:
    client = made()
    size = client.stat(path).size
    origin.misbehave(answers(**PAGES[page]) | {"times": 1})
    expected = TEXT.encode() if path == OUTPUT else bytes_of(UNSIZED)
    assert content(client, path) == expected
    assert client.stat(path).size == size


EMPTY = {"JobId": "empty", "@size": 0}


@pytest.mark.parametrize("told", [0, None])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_empty_output_is_an_empty_file(
    origin: RunningOrigin, made: Made, framing: str, told: object
) -> None:
    facts = EMPTY | {"ArchiveSizeInBytes": told}
    origin.hold({"v": {"jobs": [facts, UNSIZED]}})
    origin.misbehave(answers(**FRAMINGS[framing]))
    client, path = made(), "/vaults/v/jobs/empty/output"
    assert names(client, "/vaults/v/jobs/empty") == ["job.json", "output"]
    assert client.stat(path).size == 0
    assert content(client, path) == b""
    assert client.attributes(client.stat(path))["verified"] == "no"
    origin.hold({"v": {"jobs": [facts | {"@size": 5}, UNSIZED]}})
    client.close()
    # Nothing that could be read would show that it is not empty.
    assert made().stat(path).size == 5


def test_an_empty_output_of_another_hash_is_refused(origin: RunningOrigin, made: Made) -> None:
    origin.hold({"v": {"jobs": [EMPTY | {"SHA256TreeHash": "ab" * 32}]}})
    client = made()
    assert names(client, "/vaults/v/jobs/empty") == ["job.json", "output"]
    with pytest.raises(CasfsError, match="arrived empty"):
        client.stat("/vaults/v/jobs/empty/output")


@pytest.mark.parametrize("claim", [0, 10_000])
def test_an_empty_output_is_no_inventory(origin: RunningOrigin, made: Made, claim: int) -> None:
    hold(origin, **{"@text": "", "InventorySizeInBytes": claim})
    client = made(listing_ttl=0.0)
    assert client.stat(OUTPUT).size == 0
    assert content(client, OUTPUT) == b""
    for name in ("inventory.json", "inventory.csv"):
        with pytest.raises(InventoryError, match="is empty"):
            client.stat(f"{FOLDER}/{name}")
    hold(origin)
    client.close()
    assert content(made(), f"{FOLDER}/inventory.json") == TEXT.encode()


def test_an_expired_job_without_a_byte_disappears(origin: RunningOrigin, made: Made) -> None:
    origin.hold({"v": {"jobs": [EMPTY]}})
    client = made(listing_ttl=0.0)
    assert client.stat("/vaults/v/jobs/empty/output").size == 0
    origin.hold({"v": {"jobs": []}})
    assert client.list("/vaults/v/jobs") == []
    with pytest.raises(NotFoundError):
        client.stat("/vaults/v/jobs/empty/output")


def test_an_output_that_cannot_be_measured_hides_nothing_else(
    origin: RunningOrigin, made: Made
) -> None:
    hold(origin, InventorySizeInBytes=None)
    origin.misbehave(answers(status=400, error="InvalidParameterValueException"))
    client = made()
    assert names(client, FOLDER) == ["inventory.csv", "inventory.json", "job.json", "output"]
    assert content(client, f"{FOLDER}/job.json")
    for name in ("output", "inventory.json", "inventory.csv"):
        with pytest.raises(CasfsError):
            client.stat(f"{FOLDER}/{name}")
    origin.misbehave()
    assert content(client, OUTPUT) == TEXT.encode()
