"""Names that are legal at the service and hard for a file system or a command line."""

import errno
import json
import os
from pathlib import Path

from tests.support.mounting import mounted
from tests.support.served import VAULT, served


def test_vaults_with_the_names_of_dots(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 5}) as service:
        now = service.emulator.sql("SELECT created FROM vaults")[0][0]
        for name in (".", ".."):
            service.emulator.sql("INSERT INTO vaults (name, created) VALUES (?, ?)", name, now)
        service.emulator.sql("UPDATE jobs SET vault = '..'")
        service.emulator.sql("UPDATE archives SET vault = '..'")
        with mounted(home, service.url) as mount:
            assert mount.list("vaults") == ["%2E", "%2E%2E", VAULT]
            for name, file_name in ((".", "%2E"), ("..", "%2E%2E")):
                told = json.loads(mount.read("vaults", file_name, "vault.json"))
                assert told["VaultName"] == name
            output = ("vaults", "%2E%2E", "jobs", service.jobs["file"], "output")
            assert mount.read(*output) == service.files["file"]
            # What the kernel makes of the real dots stays what it is.
            assert mount.list("vaults", "..") == [".casfs", "vaults"]


def test_names_of_jobs_that_no_shell_likes(tmp_path: Path, home: Path) -> None:
    names = {
        "-rf": "-rf",
        "--help": "--help",
        "a b": "a b",
        "ü€𝄞": "ü€𝄞",
        "100%": "100%",
        "a%2Fb": "a%252Fb",
        "x" * 255: "x" * 255,
    }
    with served(tmp_path, dict.fromkeys(map(str, range(len(names))), 5)) as service:
        for number, job in enumerate(names):
            old = service.jobs[str(number)]
            service.emulator.sql("UPDATE jobs SET id = ? WHERE id = ?", job, old)
        with mounted(home, service.url) as mount:
            jobs = mount.path("vaults", VAULT, "jobs")
            assert mount.list("vaults", VAULT, "jobs") == sorted(names.values())
            for number, file_name in enumerate(names.values()):
                read = mount.read("vaults", VAULT, "jobs", file_name, "output")
                assert read == service.files[str(number)], file_name
            # Programs get them right too when told where options end.
            copy = home / "copy"
            mount.good("cp", "-r", "--", jobs, copy)
            assert (copy / "-rf" / "output").read_bytes() == service.files["0"]
            assert sorted(os.listdir(copy)) == sorted(names.values())


def test_control_characters_and_long_names(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"newline": 5, "long": 6}) as service:
        for file, job in (("newline", "a\nb\x7f"), ("long", "ü" * 200)):
            service.emulator.sql("UPDATE jobs SET id = ? WHERE id = ?", job, service.jobs[file])
        with mounted(home, service.url) as mount:
            folder = ("vaults", VAULT, "jobs")
            newline, long = mount.list(*folder)
            assert newline == "a%0Ab%7F"
            assert len(os.fsencode(long)) <= 255
            for file_name, file in ((newline, "newline"), (long, "long")):
                assert mount.read(*folder, file_name, "output") == service.files[file]


def test_names_that_cannot_be(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 5}) as service, mounted(home, service.url) as mount:
        jobs = os.fsencode(mount.path("vaults", VAULT, "jobs"))
        for name in (b"\xff\xfe", b"%FF", b"%2f", b"%", b"x" * 255, b"a\nb"):
            assert mount.errno(os.stat, jobs + b"/" + name) == errno.ENOENT, name
        too_long = mount.errno(os.stat, jobs + b"/" + b"x" * 256)
        assert too_long in (errno.ENOENT, errno.ENAMETOOLONG)
        assert mount.read(*service.output("file")) == service.files["file"]
