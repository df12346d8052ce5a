"""Our CSV is read back exactly by the programs that the documentation names.

These are imported by the tests that need them: every process that runs tests imports all modules.
"""

import csv
import json
import subprocess

import pytest

from casfs.tree.inventory.entry import ArchiveEntry
from tests.support.inventory_forms import FACTS, in_csv, in_json
from tests.support.service_csv import CREATED, HASH

TEXTS = [
    "plain", "", None, "照片/2019 春/café.jpg", "😀", 'a "quoted" word', '"', '""', '"",""', "a,b",
    ",", "C:\\dir\\", "\\", '\\"', "\r", "\n", "\r\n", "cr\rlf\nboth\r\n", " blanks ", "tab\t",
    "NA", "null", "NULL", "nan", "None", "0012", "1.50", "1e5", "true", "2019-04-12", "=1+1", "#",
    "'", "\ufeffmark", "a\0b", "\x1a", "\x7f", "\u2028",
]  # fmt: skip
ENTRIES = [
    ArchiveEntry(f"id{number}", text, CREATED, 1 << number, HASH)
    for number, text in enumerate(TEXTS)
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "inventory.csv"
    path.write_bytes(in_csv(ENTRIES))
    return path


def expected(null):
    return [
        entry._replace(description=null) if entry.description is None else entry
        for entry in ENTRIES
    ]


def test_python(file):
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        rows = list(csv.DictReader(lines))
    found = [
        ArchiveEntry(
            row["ArchiveId"],
            row["ArchiveDescription"],
            row["CreationDate"],
            int(row["Size"]),
            row["SHA256TreeHash"],
        )
        for row in rows
    ]
    # It cannot tell null from an empty text.
    assert found == expected(null="")


def test_pandas(file):
    import pandas as pd

    table = pd.read_csv(
        file,
        keep_default_na=False,
        dtype={"ArchiveDescription": str, "SHA256TreeHash": str},
        encoding_errors="surrogateescape",
    )
    # Neither can this.
    assert [ArchiveEntry(*row) for row in table.itertuples(index=False)] == expected(null="")


def test_duckdb(file):
    import duckdb

    query = """
        SELECT * FROM read_csv(?, header = true, delim = ',', quote = '"', escape = '"',
            allow_quoted_nulls = false, columns = {'ArchiveId': 'VARCHAR',
            'ArchiveDescription': 'VARCHAR', 'CreationDate': 'VARCHAR', 'Size': 'BIGINT',
            'SHA256TreeHash': 'VARCHAR'})
    """
    with duckdb.connect() as connection:
        rows = connection.execute(query, [str(file)]).fetchall()
    assert [ArchiveEntry(*row) for row in rows] == ENTRIES


def test_bytes_that_are_no_utf8_reach_python_and_pandas(tmp_path):
    import pandas as pd

    path, text = tmp_path / "inventory.csv", "cut \udce7\udc85"
    path.write_bytes(in_csv([ENTRIES[0]._replace(description=text)]))
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        (row,) = csv.DictReader(lines)
    assert row["ArchiveDescription"] == text
    table = pd.read_csv(path, keep_default_na=False, encoding_errors="surrogateescape", dtype=str)
    assert table["ArchiveDescription"].tolist() == [text]


def test_jq_reads_the_json(tmp_path):
    path = tmp_path / "inventory.json"
    path.write_bytes(in_json(ENTRIES, FACTS))
    command = ["jq", "-c", "[.VaultARN, (.ArchiveList[] | .ArchiveDescription)]", path]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [FACTS["VaultARN"], *TEXTS]
