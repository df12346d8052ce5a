"""What inventories do not list is said: archives behind a marker, and records that are bad."""

import json

import pytest

from tests.support.running_origin import RunningOrigin

LIMIT = 10
IDS = [f"a{number:02}" for number in range(25)]
DATE = "2026-01-05T00:00:00Z"


def record(archive):
    return {
        "ArchiveId": archive,
        "ArchiveDescription": f"dir/{archive}.txt",
        "CreationDate": "2026-01-01T00:00:00Z",
        "Size": 5,
        "SHA256TreeHash": "ab" * 32,
    }


def job(name, archives, marker=None, date=DATE, day=6, hour=0, **parameters):
    """An inventory job of these archives, which takes an hour."""
    parameters = {"Format": "JSON", "Limit": 0, "Marker": marker, **parameters}
    listed = [record(one) if isinstance(one, str) else one for one in archives]
    return {
        "JobId": name,
        "Action": "InventoryRetrieval",
        "CreationDate": f"2026-01-{day:02}T{hour:02}:00:00.000Z",
        "CompletionDate": f"2026-01-{day:02}T{hour + 1:02}:00:00.000Z",
        "InventoryRetrievalParameters": parameters,
        "@text": json.dumps({"InventoryDate": date, "ArchiveList": listed}),
    }


def vault(count, *jobs):
    return {"v": {"NumberOfArchives": count, "LastInventoryDate": DATE, "jobs": list(jobs)}}


FIRST = job("J1", IDS[:10], marker="m1")
SECOND = job("J2", IDS[10:20], marker="m2", hour=2)
LAST = job("J3", IDS[20:], hour=4)


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    with RunningOrigin(tmp_path_factory.mktemp("origin"), vault(0)) as running:
        yield running


@pytest.fixture
def run(origin, casfs):
    def run(*arguments):
        done = casfs(*arguments, CASFS_ENDPOINT=origin.url, CASFS_LISTING_TTL="0")
        assert done.returncode == 0, done.stderr
        return done.stdout.decode(), done.stderr.decode().splitlines()

    return run


def shown(run):
    out, _ = run("ls", "v", "dir", "--json")
    return {one["id"] for one in json.loads(out) if one["kind"] == "archive"}


def test_an_inventory_that_goes_on_is_said_to(origin, run):
    origin.hold(vault(25, FIRST))
    for command in (
        ("catalog", "refresh", "v"),
        ("ls", "v"),
        ("find", "v", "*"),
        ("ls", "v", "--all"),
    ):
        _, (line,) = run(*command)
        assert line.startswith("casfs: 15 of the 25 archives of vault v are missing")
        assert "marker m1" in line
    for command in (("ls", "v", "dir"), ("find", "v", "*a03*")):
        gap = json.loads(run(*command, "--json")[0])[-1]
        assert (gap["kind"], gap["missing"], gap["archives"]) == ("missing", 15, 25)
        assert (gap["job"], gap["marker"]) == ("J1", "m1")
    (told,) = json.loads(run("catalog", "refresh", "v", "--json")[0])
    assert (told["vault"], told["missing"], told["catalogued"]) == ("v", 15, 10)


def test_the_vaults_count_counts_though_no_marker_is_reported(origin, run):
    origin.hold(vault(25, job("J1", IDS[:10])))
    _, (line,) = run("catalog", "refresh", "v")
    assert line.startswith("casfs: 15 of the 25 archives of vault v are missing")


@pytest.mark.parametrize("marker", ["m1", None])
def test_a_vault_that_does_not_tell_its_count(origin, run, marker):
    origin.hold(vault(None, job("J1", IDS[:10], marker=marker)))
    _, lines = run("catalog", "refresh", "v")
    if marker is None:
        assert lines == []
    else:
        (line,) = lines
        assert "may be missing" in line
        assert "marker m1" in line


def test_chained_inventories_are_one(origin, run):
    origin.hold(vault(25, FIRST, SECOND))
    _, (line,) = run("catalog", "refresh", "v")
    assert line.startswith("casfs: 5 of the 25 archives of vault v are missing")
    assert "marker m2" in line
    origin.hold(vault(25, FIRST, SECOND, LAST))
    # It is known that there is more to be had.
    _, (line,) = run("find", "v", "*")
    assert line.endswith("run: casfs catalog refresh v")
    assert "marker" not in line
    assert run("catalog", "refresh", "v") == ("v: 1 new inventory\n", [])
    assert shown(run) == set(IDS)


@pytest.mark.parametrize("same_date", [True, False])
def test_a_chain_removes_what_it_lacks(origin, run, same_date):
    """Its jobs may be gone when the last is done: a service forgets them after a day."""
    gone = [f"gone{number}" for number in range(3)]
    origin.hold(vault(28, job("J0", [*IDS, *gone], date="2026-01-02T00:00:00Z", day=2)))
    run("catalog", "refresh", "v")
    assert shown(run) == {*IDS, *gone}
    dates = [DATE] * 3 if same_date else [f"2026-01-0{day}T00:00:00Z" for day in (5, 6, 7)]
    parts = [
        job("J1", IDS[:10], "m1", dates[0], 8, 0),
        job("J2", IDS[9:20], "m2", dates[1], 8, 2),
        job("J3", IDS[20:], None, dates[2], 8, 4),
    ]
    for part in parts:
        assert shown(run) == {*IDS, *gone}
        origin.hold(vault(25, part))
        out, lines = run("catalog", "refresh", "v")
        assert out == "v: 1 new inventory\n"
        # The vault has fewer archives than are catalogued, but not all are known to be these.
        assert [("may be missing" in line) for line in lines] == [True] * (part is not parts[-1])
    assert shown(run) == set(IDS)


@pytest.mark.parametrize(
    "parts",
    [
        # Only the last, in a vault whose first jobs nobody knows.
        [job("J3", IDS[20:])],
        # A part between is not there.
        [FIRST, LAST],
        # The last goes on.
        [FIRST, SECOND],
        # Of some days only.
        [FIRST, SECOND, job("J3", IDS[20:], hour=4, StartDate="2026-01-01T00:00:00Z")],
        # One record cannot be read.
        [FIRST, SECOND, job("J3", [*IDS[20:24], record("a24") | {"Size": -1}], hour=4)],
    ],
    ids=["last", "gap", "open", "dates", "bad"],
)
def test_what_is_no_whole_chain_removes_nothing(origin, run, parts):
    gone = [f"gone{number}" for number in range(3)]
    origin.hold(vault(28, job("J0", [*IDS, *gone], date="2026-01-02T00:00:00Z", day=2)))
    run("catalog", "refresh", "v")
    origin.hold(vault(25, *parts))
    run("catalog", "refresh", "v")
    assert shown(run) == {*IDS, *gone}


def test_a_bad_record_keeps_no_other_one_out(origin, run):
    bad = [record("a03") | {"Size": "five"}, {"Size": 5}, 7]
    origin.hold(vault(12, job("J", [*IDS[:3], *bad, *IDS[4:11]])))
    for command in (("catalog", "refresh", "v"), ("ls", "v"), ("find", "v", "*")):
        _, lines = run(*command)
        assert lines[-1] == "casfs: 3 records of inventory J could not be read"
        assert lines[:-1][0].startswith("casfs: 1 of the 12 archives of vault v is missing")
    assert shown(run) == set(IDS[:11]) - {"a03"}
    listed = json.loads(run("ls", "v", "by-id", "--json")[0])
    assert [one["id"] for one in listed if one["kind"] == "archive"] == ["a03"]
    assert listed[-1] == {
        "path": None,
        "kind": "unreadable",
        "vault": "v",
        "job": "J",
        "records": 3,
    }
    (told,) = json.loads(run("catalog", "refresh", "v", "--json")[0])
    assert told["unreadable"] == [{"job": "J", "records": 3}]


def test_a_record_that_is_bad_later_takes_no_name(origin, run):
    origin.hold(vault(3, job("J0", IDS[:3], date="2026-01-02T00:00:00Z", day=2)))
    run("catalog", "refresh", "v")
    later = job("J", [record("a01") | {"CreationDate": 5}, IDS[2]])
    origin.hold(vault(3, later))
    _, lines = run("catalog", "refresh", "v")
    assert lines == ["casfs: 1 record of inventory J could not be read"]
    assert shown(run) == set(IDS[:3])
    # A full one that can be read puts it right.
    origin.hold(vault(2, later, job("J9", IDS[1:3], date="2026-01-10T00:00:00Z", day=11)))
    assert run("catalog", "refresh", "v") == ("v: 1 new inventory\n", [])
    assert shown(run) == set(IDS[1:3])
