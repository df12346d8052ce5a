"""Keys that another program replaces while a mount is there: the mount goes on."""

import errno

import pytest

from tests.support.mounting import mounted
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin, content

JOBS = [{"JobId": name, "@size": 3000, "@seed": seed} for seed, name in enumerate(["one", "two"])]
FILES = {
    "cas": (
        ".cascmd_credentials",
        "[CASCredentials]\nappid = 1250000000\nsecretid = {}\nsecretkey = of-{}\n",
    ),
    "glacier": (
        ".aws/credentials",
        "[default]\naws_access_key_id = {}\naws_secret_access_key = s\naws_session_token = of-{}\n",
    ),
    "own": (
        "config.toml",
        "[profiles.default]\naccess_key_id = '{}'\nsecret_access_key = 'of-{}'\n",
    ),
}
# Of accounts 111111111111 and 222222222222, as Amazon writes them into identifiers.
ONE, ONES_NEXT, OTHERS = (
    "ASIARTXV5AHDQAAAAAAA",
    "ASIARTXV5AHDQEAAAAAA",
    "ASIATHPL2AOHAAAAAAAA",
)


@pytest.fixture(params=FILES)
def keys(request, tmp_path):
    """Write a key to where a kind of it stands; and what a mount needs to use it."""
    return Keys(request.param, tmp_path / "home")


class Keys:
    def __init__(self, kind, home):
        name, self._text = FILES[kind]
        self._path = home / name
        self._config = home / "config.toml"
        self.dialect = "glacier" if kind == "glacier" else "cas"
        self.environment = {
            "CASFS_ACCESS_KEY_ID": "",
            "CASFS_SECRET_ACCESS_KEY": "",
            "CASFS_DIALECT": self.dialect,
            "CASFS_REGION": "us-east-1",
            "CASFS_CONFIG": home / "config.toml",
            "CASFS_LISTING_TTL": 0,
            "CASFS_DEADLINE": 10,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": home / ".aws" / "credentials",
        }

    def write(self, key_id):
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._config.touch()
        self._path.write_text(self._text.format(key_id, key_id))
        self._path.chmod(0o600)


def refusing_all_but(key_id):
    return {"when": {"key_not": [key_id]}, "do": {"status": 403, "error": "ExpiredTokenException"}}


def read(mount, job):
    return mount.read("vaults", "v", "jobs", job, "output")


def test_a_new_key_is_used_and_what_is_cached_stays(keys, tmp_path):
    keys.write("ASIAOLD")
    with RunningOrigin(tmp_path / "o", {"v": {"jobs": JOBS}}, dialect=keys.dialect) as origin:
        origin.misbehave(refusing_all_but("ASIAOLD"))
        with mounted(tmp_path / "home", origin.url, **keys.environment) as mount:
            assert read(mount, "one") == content(JOBS[0])
            keys.write("ASIANEW")
            origin.misbehave(refusing_all_but("ASIANEW"))
            assert read(mount, "two") == content(JOBS[1])
            assert mount.list("vaults", "v", "jobs") == ["one", "two"]
            outputs = len(origin.requests("output"))
            assert read(mount, "one") == content(JOBS[0])
            assert len(origin.requests("output")) == outputs
            assert "switching to key ASIANEW" in mount.log
            assert "of-ASIA" not in mount.log
            assert {one["status"] for one in origin.requests()} == {200, 206, 403}


def test_a_key_that_is_refused_for_good_is_a_refusal_and_not_looked_for_all_the_time(
    keys, tmp_path
):
    keys.write("ASIAOLD")
    with (
        RunningOrigin(tmp_path / "o", {"v": {"jobs": JOBS}}, dialect=keys.dialect) as origin,
        mounted(tmp_path / "home", origin.url, **keys.environment) as mount,
    ):
        assert read(mount, "one") == content(JOBS[0])
        origin.misbehave(refusing_all_but("nobody"))
        for _ in range(5):
            assert mount.errno(mount.job("v", "two", "output").read_bytes) == errno.EACCES
        # Each was asked for as often as before there was a second look: the key is the same.
        assert len([one for one in origin.requests("output") if one["status"] == 403]) <= 10


@pytest.mark.parametrize(("account", "wanted"), [("-", errno.EACCES), ("111111111111", None)])
def test_a_key_of_another_account_does_not_take_over_a_mount(tmp_path, account, wanted):
    """Where requests name no account, they would show other vaults under the same names."""
    keys = Keys("glacier", tmp_path / "home")
    keys.write(ONE)
    with (
        RunningOrigin(tmp_path / "o", {"v": {"jobs": JOBS}}, dialect="glacier") as origin,
        mounted(tmp_path / "home", origin.url, CASFS_ACCOUNT=account, **keys.environment) as mount,
    ):
        assert read(mount, "one") == content(JOBS[0])
        origin.misbehave(refusing_all_but(OTHERS))
        keys.write(OTHERS)
        assert mount.errno(mount.job("v", "two", "output").read_bytes) == wanted
        assert ("another account" in mount.log) == (wanted is not None)


def test_the_next_key_of_the_same_account_does(tmp_path):
    keys = Keys("glacier", tmp_path / "home")
    keys.write(ONE)
    with (
        RunningOrigin(tmp_path / "o", {"v": {"jobs": JOBS}}, dialect="glacier") as origin,
        mounted(tmp_path / "home", origin.url, **keys.environment) as mount,
    ):
        origin.misbehave(refusing_all_but(ONES_NEXT))
        keys.write(ONES_NEXT)
        assert read(mount, "two") == content(JOBS[1])


ARN, QCS = "arn:aws:glacier:us-east-1:{}:vaults/{}", "qcs:id/0:cas:ap-chengdu:uid/{}:vaults/{}"


def anothers(dialect, name, **facts):
    """A vault of another account, as it is listed."""
    full = {"VaultARN": ARN} if dialect == "glacier" else {"VaultQCS": QCS}
    names = {key: form.format(999999999999, name) for key, form in full.items()}
    return {"VaultName": name, **names, **facts}


@pytest.mark.parametrize(("kind", "names"), [("cas", ["v"]), ("glacier", []), ("own", ["w", "x"])])
def test_a_key_that_lists_vaults_of_another_account_replaces_nothing(tmp_path, kind, names):
    """Its identifier does not tell whose it is; what it lists does."""
    keys = Keys(kind, tmp_path / "home")
    keys.write("ASIAOLD")
    environment = keys.environment | {"CASFS_ACCOUNT": "-"}
    with (
        RunningOrigin(tmp_path / "o", {"v": {"jobs": JOBS}}, dialect=keys.dialect) as origin,
        mounted(tmp_path / "home", origin.url, **environment) as mount,
    ):
        assert mount.list("vaults", "v", "jobs") == ["one", "two"]
        assert read(mount, "one") == content(JOBS[0])
        listed = {"VaultList": [anothers(keys.dialect, name) for name in names], "Marker": None}
        origin.misbehave(
            refusing_all_but("ASIANEW"),
            {"when": {"call": "vaults"}, "do": {"json": listed}},
            {"when": {"call": "jobs"}, "do": {"json": {"JobList": [], "Marker": None}}},
            {"when": {}, "do": {"status": 404, "error": "ResourceNotFoundException"}},
        )
        keys.write("ASIANEW")
        assert mount.errno(mount.job("v", "two", "output").read_bytes) == errno.EACCES
        assert mount.list("vaults") == ["v"]
        assert mount.list("vaults", "v", "jobs") == ["one", "two"]
        assert read(mount, "one") == content(JOBS[0])
        assert "put back a key of the same account" in mount.log
        # And once there is one, the mount goes on.
        origin.misbehave(refusing_all_but("ASIAOLD2"))
        keys.write("ASIAOLD2")
        two = mount.job("v", "two", "output")
        wait_until(lambda: mount.errno(two.read_bytes) is None, "the new key to be used")
        assert read(mount, "two") == content(JOBS[1])
