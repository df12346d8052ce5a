"""Files made of an inventory with bad records: refused, unless they are to be left out."""

import csv
import io
import json

import pytest

from tests.support.bad_records import BAD_CSV, BAD_JSON, HASH
from tests.support.running_origin import RunningOrigin
from tests.system.cli.said import one_line

GOOD = [(f"a{number}", f"dir/{number},x", number) for number in range(3)]
IN_JSON = [
    {"ArchiveId": name, "ArchiveDescription": told, "Size": size, "SHA256TreeHash": HASH}
    for name, told, size in GOOD
]
IN_CSV = [f'{name},"{told}",2019-04-12T08:15:30Z,{size},{HASH}' for name, told, size in GOOD]


def json_job(name, bad):
    records = [json.dumps(IN_JSON[0]), *bad, *map(json.dumps, IN_JSON[1:])]
    return job(name, f'{{"InventoryDate": null, "ArchiveList": [{", ".join(records)}]}}')


def csv_job(name, bad):
    header = "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"
    return job(name, "".join(f"{line}\n" for line in [header, IN_CSV[0], *bad, *IN_CSV[1:]]))


def job(name, text):
    return {"JobId": name, "Action": "InventoryRetrieval", "@text": text}


JOBS = [
    *(json_job(f"json{number}", [bad]) for number, bad in enumerate(BAD_JSON)),
    *(csv_job(f"csv{number}", [bad]) for number, bad in enumerate(BAD_CSV)),
    json_job("jsonall", BAD_JSON),
    csv_job("csvall", BAD_CSV),
    job("cut", json_job("x", BAD_JSON)["@text"][:-3]),
    job("cutcsv", csv_job("x", BAD_CSV)["@text"][:-5]),
]


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    with RunningOrigin(tmp_path_factory.mktemp("origin"), {"v": {"jobs": JOBS}}) as running:
        yield running


def other_form(name):
    return "csv" if name.startswith("json") else "json"


@pytest.mark.parametrize("name", ["json0", "csv2"])
def test_one_bad_record_refuses_the_file_until_it_may_be_left_out(origin, casfs, name):
    arguments = ("cat", "--inventory", other_form(name), "v", name)
    done = casfs(*arguments, CASFS_ENDPOINT=origin.url)
    assert (done.returncode, done.stdout) == (1, b"")
    assert "--skip-bad-records" in one_line(done)
    for _ in range(2):
        done = casfs(*arguments, "--skip-bad-records", CASFS_ENDPOINT=origin.url)
        assert done.returncode == 0
        lines = done.stderr.decode().splitlines()
        assert lines[-1] == f"casfs: 1 record of inventory {name} could not be read, and left out"
        assert ids_in(done.stdout.decode(), other_form(name)) == [one[0] for one in GOOD]
    done = casfs(*arguments, CASFS_ENDPOINT=origin.url)
    assert (done.returncode, done.stdout) == (1, b"")


def ids_in(text, form):
    rows = json.loads(text)["ArchiveList"] if form == "json" else csv.DictReader(io.StringIO(text))
    return [row["ArchiveId"] for row in rows]


@pytest.mark.parametrize(("name", "count"), [("jsonall", len(BAD_JSON)), ("csvall", len(BAD_CSV))])
def test_every_kind_of_bad_record_is_one_record(origin, casfs, name, count):
    arguments = ("cat", "--inventory", other_form(name), "--skip-bad-records", "v", name)
    done = casfs(*arguments, CASFS_ENDPOINT=origin.url)
    assert done.stderr.decode().splitlines()[-1].startswith(f"casfs: {count} records of")
    assert ids_in(done.stdout.decode(), other_form(name)) == [one[0] for one in GOOD]


@pytest.mark.parametrize("name", ["cut", "cutcsv"])
def test_what_is_cut_off_is_refused_all_the_same(origin, casfs, name):
    form = "csv" if name == "cut" else "json"
    arguments = ("cat", "--inventory", form, "--skip-bad-records", "v", name)
    done = casfs(*arguments, CASFS_ENDPOINT=origin.url)
    assert (done.returncode, done.stdout) == (1, b"")
    assert "truncated" in one_line(done)


def test_all_that_can_be_read_is_catalogued(origin, casfs):
    """Of 24 inventories with bad records, and two that are cut off."""
    done = casfs("catalog", "refresh", "v", CASFS_ENDPOINT=origin.url)
    assert done.returncode == 1
    done = casfs("ls", "v", "dir", CASFS_ENDPOINT=origin.url)
    lines = done.stderr.decode().splitlines()
    told = [line for line in lines if line.endswith("could not be read")]
    assert len(told) == len(BAD_JSON) + len(BAD_CSV) + 2
    assert "casfs: 1 record of inventory csv0 could not be read" in told
    shown = json.loads(casfs("ls", "v", "dir", "--json", CASFS_ENDPOINT=origin.url).stdout)
    assert {one["id"] for one in shown if one["kind"] == "archive"} == {one[0] for one in GOOD}
    listed = json.loads(casfs("ls", "v", "by-id", "--json", CASFS_ENDPOINT=origin.url).stdout)
    found = {one["id"] for one in listed if one["kind"] == "archive"}
    assert found == {f"b{number}" for number in range(1, 10)} - {"b8"} | {"b8"}


def test_the_option_is_for_inventories(origin, casfs):
    done = casfs("cat", "--skip-bad-records", "v", "json0", CASFS_ENDPOINT=origin.url)
    assert done.returncode == 2
