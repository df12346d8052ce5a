"""A vault that means harm: nothing escapes, nothing crashes, and everything can be reached."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import description_writers as writers
from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import Mount, mounted

ARCHIVES = f"vaults/{VAULT}/archives"
SAME = 150
BOMB = (
    '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<m><v>4</v><p>&b;</p><lm>20190412T081530Z</lm></m>"
)
TEXTS = [
    # out of the folder
    "../../../../etc/passwd", "..", ".", "/", "//", "/etc/shadow", "a/../../b", "a/./b//c",
    "\\\\server\\share\\x", "c:\\windows\\system32", "..\\..\\up", "%2E%2E/%2e%2e/x", "~/x",
    writers.fastglacier("../../../up", 1_555_056_930), writers.mt2("/../root/.ssh/id", 1),
    '{"Path":"+AC8-..+AC8-..+AC8-smuggled","UTCDateModified":"20190412T081530Z"}',
    '{"Path":"x+AAA-y","UTCDateModified":"20190412T081530Z"}', "grsync|/../../x|1|1.0|",
    # no name for a file
    "nul\0byte", "line\nbreak\r\n", "tab\tbell\a", "\x7f\x80\x9f", "evil\u202egpj.exe", "\u2066x",
    "line\u2028break", "\ud83d", "half \udc00 pair/\ud800", "caf\udce9.txt", " ", "trailing ",
    "-rf", "--delete", "*", "?", "[a-z]", "$(reboot)", "`reboot`", "'\"", "CON", "a:b", "\ufeff",
    # too much
    "k" * 4096, "k" * 4097, "k" * 10_000, "é" * 2048, "deep/" * 800 + "end", "p" * 256 + "/x.txt",
    ("q" * 250 + "/") * 16 + "end", "\U0001f600" * 300 + ".jpg",
    # files that are folders
    "c", "c/d", "c/d", "c/d/e", "c/d/e/f", "c/d/e/f/g", "c/d/e/f/g/h", "c",
    writers.fastglacier("c/d/", 1), writers.fastglacier("only/folder/", 1),
    # names that casfs makes itself
    "by-id", "by-id/x", "by%2Did", ".casfs", ".casfs/status.json", "vault.json",
    "same~20190412T081530Z~0eb3e36bfb24.txt", "cut~" + "0" * 32 + ".txt",
    # broken
    "mt2 ####", "mt2 e30", "mt2 " + "A" * 1000, "mt1 bnVsbA", "<m><v>4</v><p>!!!</p></m>",
    "<m><v>4</v><p></p></m>", "<m>" * 300, BOMB, "{" * 2000, '{"Path":' * 500, "[" * 4000,
    '"{' * 1000, '{"Path":5,"UTCDateModified":[]}', '{"Path":"/","UTCDateModified":""}',
    "grsync|", "grsync|a|1|nan|x", "grsync|a|1|1e999|x", "SHA256E-s99999999999999999999--x",
    # times that few can tell
    writers.mt2("old", -2_000_000_000), writers.mt2("far", 15_000_000_000),
    # twins
    "café", "cafe\u0301", "CAFÉ", *["same.txt"] * SAME, None,
]  # fmt: skip
"""Descriptions, hostile in the inventory alone: a service's database may hold what ours cannot."""


def archive_id(number: int) -> str:
    return f"{number:0138d}"


def content(number: int) -> bytes:
    return b"archive %d" % number


def hostile_inventory() -> bytes:
    listed = [
        {
            "ArchiveId": archive_id(number),
            "ArchiveDescription": text,
            "CreationDate": ["2019-04-12T08:15:30Z", "never", "2020-01-01T00:00:00.000Z"][
                number % 3
            ],
            "Size": len(content(number)),
            "SHA256TreeHash": "not a hash" if number % 2 else None,
        }
        for number, text in enumerate(TEXTS)
    ]
    facts = {"VaultARN": "../..", "InventoryDate": "2021-01-01T00:00:00Z", "ArchiveList": listed}
    text = json.dumps(facts).encode()
    # Bytes that are no UTF-8, as they come if a client wrote them.
    return text.replace(b"\\udce9", b"\xe9")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving("glacier", tmp_path_factory.mktemp("hostile"), {"seed": 5}) as service:
        service.add_archives({archive_id(number): content(number) for number in range(len(TEXTS))})
        service.emulator.expire(service.jobs["seed"])
        service.add_inventory_output("listed", hostile_inventory())
        yield service


@pytest.fixture(scope="module")
def mount(vault: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    home = tmp_path_factory.mktemp("mount")
    with mounted(home, vault.emulator.url, **vault.settings) as running:
        assert "1 new" in running.good(CASFS, "catalog", "refresh", VAULT)
        yield running
        assert "hit a bug" not in running.log


def expected() -> list[bytes]:
    return sorted(content(number) for number in range(len(TEXTS)))


def contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def names_in(folder: Path) -> list[str]:
    return [name for _, folders, files in os.walk(folder) for name in [*folders, *files]]


def test_rsync_and_tar_copy_each_archive_once(mount: Mount, tmp_path: Path) -> None:
    source = f"{mount.path(ARCHIVES)}/"
    synced, unpacked = tmp_path / "outer" / "synced", tmp_path / "outer" / "unpacked"
    unpacked.mkdir(parents=True)
    rsync = ("rsync", "-a", "--itemize-changes", source, synced)
    mount.good(*rsync)
    assert contents(synced) == expected()
    assert mount.good(*rsync) == ""
    mount.good("tar", "-C", source, "-cf", tmp_path / "packed.tar", ".")
    mount.good("tar", "-C", unpacked, "-xf", tmp_path / "packed.tar")
    assert contents(unpacked) == expected()
    assert sorted(os.listdir(tmp_path / "outer")) == ["synced", "unpacked"]
    mount.good("diff", "-r", synced, unpacked)


def test_find_sees_plain_files_and_folders(mount: Mount) -> None:
    source = mount.path(ARCHIVES)
    found = mount.good("find", source, "-printf", "%y%m %p\\0").split("\0")[:-1]
    assert {entry.split(" ")[0] for entry in found} == {"f644", "d755"}
    assert len([entry for entry in found if entry[0] == "f"]) == len(expected())
    for name in mount.ask(names_in, source):
        assert name not in (".", "..")
        assert all(char.isprintable() or char in "\ufeff\u3000" for char in name), repr(name)
        assert len(name.encode()) <= 255


def test_each_archive_is_there_by_its_id(mount: Mount) -> None:
    numbers = range(0, len(TEXTS), 7)
    by_id = mount.path(ARCHIVES, "by-id")
    read = mount.ask(lambda: [(by_id / archive_id(number)).read_bytes() for number in numbers])
    assert read == [content(number) for number in numbers]


@pytest.mark.parametrize("name", [b"\xff", b"c/\xed\xa0\x80", b"by-id/\xff", b"same.txt/x"])
def test_names_that_nothing_can_have(mount: Mount, name: bytes) -> None:
    path = os.path.join(os.fsencode(mount.path(ARCHIVES)), name)
    assert mount.errno(os.stat, path) in (errno.ENOENT, errno.ENOTDIR)


def test_attributes_hold_the_text_as_it_was_uploaded(mount: Mount) -> None:
    for text in ("line\nbreak\r\n", "nul\0byte", BOMB, "evil\u202egpj.exe"):
        path = mount.path(ARCHIVES, "by-id", archive_id(TEXTS.index(text)))
        assert mount.ask(os.getxattr, path, "user.casfs.description") == text.encode()
    path = mount.path(ARCHIVES, "by-id", archive_id(TEXTS.index("caf\udce9.txt")))
    assert mount.ask(os.getxattr, path, "user.casfs.description") == b"caf\xe9.txt"


@pytest.mark.parametrize(
    "arguments",
    [("ls", VAULT), ("ls", VAULT, "--all"), ("ls", VAULT, "c/d"), ("find", VAULT, "*")],
    ids=" ".join,
)
def test_the_lists_are_printed_to_the_end(mount: Mount, arguments: tuple[str, ...]) -> None:
    table = mount.good(CASFS, *arguments)
    assert "\u202e" not in table
    listed = json.loads(mount.good(CASFS, *arguments, "--json"))
    assert len(table.strip().splitlines()) == len(listed) + 2
    assert {one["kind"] for one in listed} <= {"folder", "archive"}


def test_the_lists_know_every_archive(mount: Mount) -> None:
    found = json.loads(mount.good(CASFS, "find", VAULT, "*", "--json"))
    top = json.loads(mount.good(CASFS, "ls", VAULT, "--all", "--json"))
    nameless = [one for one in top if one["kind"] == "archive" and one["path"] is None]
    ids = sorted(one["id"] for one in [*found, *nameless])
    assert ids == [archive_id(number) for number in range(len(TEXTS))]


def test_odd_arguments_are_refused_in_one_line(mount: Mount) -> None:
    for arguments in (("ls", VAULT, "\udcff"), ("ls", "\udcff"), ("ls", VAULT, "../jobs")):
        done = mount.run(CASFS, *arguments)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert mount.good(CASFS, "find", VAULT, "\udcff", "--json") == "[]\n"
