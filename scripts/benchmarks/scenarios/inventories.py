"""Inventories: one of 5,000,000 archives converted either way, beside parsers and DuckDB.

What is made of it goes nowhere: a disk would be measured, and a parser alone writes nothing.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import measure, processes
from benchmarks.bench import CASFS, MIB, Bench
from benchmarks.inventories import HASH
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.processes import BenchmarkError

_ARCHIVES = 5_000_000
_JQ_SHARE = 20
"""jq takes all of a file into memory, so it is given a part of it."""
_SPEED = "speed"
_MEMORY = "memory"
_ROOM = 150
_LEAST = 0.5
_READER = f"{CASFS}, reading alone"
_IJSON = "ijson, reading alone"
_DUCKDB = "DuckDB"
_JQ = f"jq, 1/{_JQ_SHARE} of it"


def run(bench: Bench) -> Result:
    """Convert one inventory from JSON to CSV and from CSV to JSON."""
    count = bench.count(_ARCHIVES)
    with bench.temporary() as folder:
        in_json, in_csv = folder / "in.json", folder / "in.csv"
        small = folder / "small.json"
        _write_json(in_json, count)
        _write_csv(in_csv, count)
        _write_json(small, -(-count // _JQ_SHARE))

        def program(name: str, inventory: Path) -> Callable[[], Measures]:
            command = [sys.executable, "-m", "benchmarks.inventories", name, str(inventory)]
            return lambda: _measured(command, count)

        to_csv = {
            CASFS: program("json_to_csv", in_json),
            _READER: program("reader", in_json),
            _IJSON: program("ijson", in_json),
            _DUCKDB: program("duckdb_to_csv", in_json),
        }
        if jq := shutil.which("jq"):
            fields = ".ArchiveId, .ArchiveDescription, .CreationDate, .Size, .SHA256TreeHash"
            query = f".ArchiveList[] | [{fields}] | @csv"
            command = [jq, "-r", query, str(small)]
            to_csv[_JQ] = lambda: _measured(command, -(-count // _JQ_SHARE))
        to_json = {
            CASFS: program("csv_to_json", in_csv),
            _READER: program("reader", in_csv),
            _IJSON: program("ijson", in_json),
            _DUCKDB: program("duckdb_to_json", in_csv),
        }
        found = {
            way: bench.compare(
                contestants,
                {
                    _SPEED: (f"{way}, thousands of archives a second", Unit.PER_SECOND),
                    _MEMORY: (f"{way}, peak memory", Unit.MIB),
                },
            )
            for way, contestants in (("JSON to CSV", to_csv), ("CSV to JSON", to_json))
        }
    goals = []
    for way, comparisons in found.items():
        peak = max(comparisons[_MEMORY].series[0].values)
        ratio = comparisons[_SPEED].ratio(_IJSON)
        goals += [
            Goal(f"{way}: casfs / ijson reading alone", ratio, _LEAST),
            Goal(f"{way}: peak memory in MiB", peak, _ROOM, at_least=False),
        ]
    title = f"an inventory of {count} archives, converted"
    return Result(
        "inventories", title, [one for way in found.values() for one in way.values()], goals
    )


def _measured(command: Sequence[str], count: int) -> Measures:
    """Run a program; return how many archives it takes a second, and its peak memory."""
    with measure.stopwatch() as seconds:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        peak = processes.peak_memory_at_end(process)
    if process.returncode != 0:
        raise BenchmarkError(f"{command[:4]} ended with {process.returncode}; see above")
    return {_SPEED: count / 1000 / seconds(), _MEMORY: peak / MIB}


def _archives(count: int) -> Iterator[tuple[str, str, str, int, str]]:
    """Yield archives as a backup tool leaves them, with a comma in every tenth description."""
    for number in range(count):
        digest = hashlib.sha512(str(number).encode()).digest()
        identifier = base64.urlsafe_b64encode(digest + digest[:39]).decode()
        path = base64.b64encode(f"photos/{number // 1000}/{number}.jpg".encode()).decode()
        text = f"<m><v>4</v><p>{path}</p><lm>20190412T081530Z</lm></m>"
        if number % 10 == 0:
            text = f"photos, {number // 1000}/{number}.jpg"
        yield identifier, text, "2019-04-12T08:15:30.000Z", number * 4093, digest[:32].hex()


def _write_json(path: Path, count: int) -> None:
    names = ("ArchiveId", "ArchiveDescription", "CreationDate", "Size", HASH)
    encode = json.JSONEncoder(separators=(",", ":")).encode
    with path.open("w", encoding="utf-8") as file:
        file.write('{"VaultARN":"arn","InventoryDate":"2026-01-01T00:00:00Z","ArchiveList":[')
        for number, archive in enumerate(_archives(count)):
            file.write((number > 0) * "," + encode(dict(zip(names, archive, strict=True))))
        file.write("]}")


def _write_csv(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f"ArchiveId,ArchiveDescription,CreationDate,Size,{HASH}\n")
        for identifier, text, created, size, tree_hash in _archives(count):
            quoted = f'"{text}"' if "," in text else text
            file.write(f"{identifier},{quoted},{created},{size},{tree_hash}\n")
