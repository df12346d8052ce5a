"""What a service says reaches no terminal and no log with anything that drives a terminal."""

import json
import os
import pty
import subprocess

import pytest

from tests.support.command import CASFS
from tests.support.emulator.running import KEYS
from tests.support.running_origin import RunningOrigin

EVIL = "x\x1b[2J\x1b]0;title\x07\x1b[31mred\r\nsecond\u2028third\u202egpj\x9b2J\x85\x7f"
PLAIN = "文書 e\u0301té"
VAULT = f"v {PLAIN}\x1b[2J\u202e\n"
INVENTORY = {
    "VaultQCS": EVIL,
    "InventoryDate": "2026-11-01T00:00:00Z",
    "ArchiveList": [
        {
            "ArchiveId": f"A{number}",
            "ArchiveDescription": description,
            "CreationDate": "2026-01-01T00:00:00Z",
            "Size": 3000,
            "SHA256TreeHash": None,
        }
        for number, description in enumerate([f"{PLAIN}/{EVIL}.txt", EVIL, PLAIN])
    ],
}
JOBS = [
    {"JobId": "one", "@size": 3000, "JobDescription": EVIL, "StatusMessage": EVIL},
    {"JobId": "b\x1b[31md\u202e", "@size": 3, "JobDescription": PLAIN},
    {
        "JobId": "inv",
        "Action": "InventoryRetrieval",
        "@text": json.dumps(INVENTORY),
        "JobDescription": EVIL,
    },
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RunningOrigin(tmp_path_factory.mktemp("origin"), {VAULT: {"jobs": JOBS}}) as origin:
        yield origin


@pytest.fixture
def origin(running):
    """The service, as it is when it behaves well; a test may have it misbehave."""
    running.hold({VAULT: {"jobs": JOBS}})
    running.misbehave()
    return running


@pytest.fixture
def asked(origin, casfs):
    """Run a command against the origin; what it prints on both ways, checked."""

    def run(*arguments, **environment):
        done = casfs(*arguments, CASFS_ENDPOINT=origin.url, CASFS_ATTEMPTS="1", **environment)
        for text in (done.stdout.decode(), done.stderr.decode()):
            check(text)
        return done

    return run


def check(text):
    """Lines are ours, all else can be seen; letters of all scripts are left as they are."""
    assert all(line.isprintable() for line in text.split("\n")), ascii(text)
    assert not [line for line in text.split("\n") if line.startswith(("second", "third"))]


LISTINGS = [
    ("vaults",),
    ("jobs", VAULT),
    ("ls", VAULT),
    ("ls", "--all", VAULT),
    ("find", VAULT, "*"),
    ("profiles",),
]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: " ".join(listing[:-1]))
def test_listings(asked, listing):
    done = asked("catalog", "refresh")
    assert done.returncode == 0
    table = asked(*listing)
    assert (table.returncode, table.stderr) == (0, b"")
    assert listing == ("profiles",) or PLAIN in table.stdout.decode()
    printed = asked(*listing, "--json")
    facts = json.loads(printed.stdout)
    if listing[0] == "jobs":
        assert sorted(job["JobDescription"] for job in facts) == sorted([EVIL, PLAIN, EVIL])
        assert EVIL in [job["StatusMessage"] for job in facts]
    if listing[0] == "vaults":
        assert [vault["VaultName"] for vault in facts] == [VAULT]


def test_each_job_is_one_line(asked):
    table = asked("jobs", VAULT).stdout.decode()
    assert len([line for line in table.splitlines() if "succeeded" in line]) == len(JOBS)


def test_a_listing_on_a_terminal(origin, casfs, tmp_path):
    """rich writes colors of its own there; those of the service are not among them."""
    ours, theirs = pty.openpty()
    settings = {"CASFS_ENDPOINT": origin.url, "CASFS_CACHE_DIR": str(tmp_path), "TERM": "xterm"}
    process = subprocess.Popen(
        [CASFS, "jobs", VAULT],
        env={**os.environ, **settings, **KEYS},
        stdout=theirs,
        stdin=theirs,
    )
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 4096):
            text += piece
    except OSError:
        # How the other side of a terminal that was closed shows.
        pass
    finally:
        os.close(ours)
        assert process.wait(60) == 0
    assert b"succeeded" in text
    for evil in ("\x1b[2J", "\x1b]0;", "\x07", "\x1b[31m", "\u202e", "\x9b", "\u2028", "\x85"):
        assert evil.encode() not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("cat", VAULT, "nosuch\x1b[2J\nsecond"),
        ("cat", "nosuch\x1b[2J\u202e", "one"),
        ("jobs", "nosuch\x1b[2J\nsecond"),
        ("ls", VAULT, "nosuch\x1b[2J\nsecond"),
        ("vaults", "--dialect", "no\x1b[2J"),
        ("vaults", "--profile", "no\x1b[2J\nsecond"),
        ("vaults", "--endpoint", "http://\x1b[2J"),
        ("umount", "/no\x1b[2J\nsecond"),
        ("status", "/no\x1b[2J\nsecond"),
        ("mount", "/no\x1b[2J\nsecond"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_messages(asked, arguments):
    done = asked(*arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == b""
    assert len(done.stderr.decode().splitlines()) == 1


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_what_an_error_says(origin, asked, verbose):
    """The service's words, its request id, and a header that it repeats."""
    refusal = {"code": "AccessDeniedException", "message": f"{PLAIN}{EVIL}", "type": "Client"}
    headers = {"x-cas-requestid": "id\x1b[2J\x9b"}
    origin.misbehave({"do": {"status": 403, "json": refusal, "headers": headers}})
    done = asked(*verbose, "vaults")
    assert done.returncode == 1
    assert PLAIN in done.stderr.decode()


def test_bytes_are_never_altered(asked, casfs, origin):
    """They are the archive's, whatever is in them."""
    done = casfs("cat", VAULT, "inv", CASFS_ENDPOINT=origin.url)
    assert done.stdout == json.dumps(INVENTORY).encode()
    evil = {"JobId": "evil", "@text": EVIL}
    origin.hold({VAULT: {"jobs": [evil]}})
    assert casfs("cat", VAULT, "evil", CASFS_ENDPOINT=origin.url).stdout == EVIL.encode()


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1"])
def test_a_terminal_that_lacks_the_letters_ends_nothing(casfs, origin, locale):
    environment = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1:strict"}
    done = casfs("vaults", CASFS_ENDPOINT=origin.url, LANG=None, **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u6587\\u66f8" in done.stdout
