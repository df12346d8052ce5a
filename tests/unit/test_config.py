"""Where settings come from, in which order, and what a user is told when one is wrong."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casfs.config import Config, load
from casfs.errors import ConfigError
from casfs.profiles import profiles
from casfs.settings import config_files, parse_size
from casfs.tree.descriptions.rules import DEFAULT, RuleSet

KEYS = {"CASFS_ACCESS_KEY_ID": "AKIDenv", "CASFS_SECRET_ACCESS_KEY": "secret-of-environment"}
GIVEN = KEYS | {"CASFS_REGION": "r"}


@pytest.fixture
def home(tmp_path):
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def settings(tmp_path, home):
    """Load with a configuration file of this text and this environment."""

    def loaded(text="", profile=None, flags=None, **environment) -> Config:
        path = tmp_path / "config.toml"
        path.write_text(text)
        environment = {"CASFS_CONFIG": str(path), **environment}
        return load(profile, flags, environment, home)

    return loaded


FILE = """
[profiles.default]
region = "file-region"
account = "1"
access_key_id = "AKIDfile"
secret_access_key = "secret-of-file"
connections = 3
cache_size = "2GiB"
read_timeout = 1.5

[profiles.other]
endpoint = "http://other.example:8080/"
access_key_id = "AKIDother"
secret_access_key = "secret-of-other"
"""


def test_a_file_is_enough(settings, tmp_path):
    found = settings(FILE, CASFS_CACHE_DIR=str(tmp_path / "cache"))
    assert found.endpoint == "https://cas.file-region.myqcloud.com"
    assert found.account == "1"
    assert found.credentials.current().access_key_id == "AKIDfile"
    assert found.credentials.current().secret_access_key == "secret-of-file"
    assert (found.connections, found.cache_size, found.read_timeout) == (3, 2 << 30, 1.5)
    assert found.cache_dir == tmp_path / "cache"
    assert found.profile == "default"


def test_environment_is_enough_and_the_rest_has_defaults(settings):
    found = settings(CASFS_REGION="ap-chengdu", **KEYS)
    assert found.endpoint == "https://cas.ap-chengdu.myqcloud.com"
    assert (found.dialect, found.account, found.connections) == ("cas", "-", 8)
    assert found.cache_size == 20 << 30
    assert found.cache_dir.is_absolute()


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("account", ("11", "22", "33")),
        ("connections", (4, 5, 6)),
        ("endpoint", ("https://a.example", "https://b.example", "https://c.example")),
        ("cache_size", (1 << 20, 2 << 20, 3 << 20)),
        ("deadline", (7.0, 8.0, 9.0)),
    ],
)
def test_flag_beats_environment_beats_file(settings, setting, values):
    in_file, in_environment, in_flag = values
    quoted = f'"{in_file}"'
    text = f"[profiles.default]\nregion = 'r'\n{setting} = {quoted}\n"
    variable = {f"CASFS_{setting.upper()}": str(in_environment)}
    assert getattr(settings(text, **KEYS), setting) == in_file
    assert getattr(settings(text, **variable, **KEYS), setting) == in_environment
    flags = {setting: str(in_flag)}
    assert getattr(settings(text, flags=flags, **variable, **KEYS), setting) == in_flag
    # A flag that was not given counts as nothing, an empty variable too.
    variable = {f"CASFS_{setting.upper()}": ""}
    assert getattr(settings(text, flags={setting: None}, **variable, **KEYS), setting) == in_file


RULES_OF_VAULTS = """
[profiles.default]
region = "r"
description_rules = "-plain"

[profiles.default.vaults.photos]
description_rules = "fastglacier,plain"

[profiles.default.vaults."old papers"]
"""


def test_rules_for_descriptions_are_those_of_the_vault_or_of_all(settings):
    found = settings(CASFS_REGION="r", **KEYS)
    assert (found.description_rules, found.vault_rules) == (DEFAULT, {})
    found = settings(RULES_OF_VAULTS, **KEYS)
    assert found.description_rules == RuleSet.parse("-plain")
    assert found.vault_rules == {"photos": RuleSet(("fastglacier", "plain"))}
    found = settings(RULES_OF_VAULTS, CASFS_DESCRIPTION_RULES="qnap", **KEYS)
    assert found.description_rules == RuleSet(("qnap",))
    # A vault's own rules say more than any for all vaults.
    assert found.vault_rules == {"photos": RuleSet(("fastglacier", "plain"))}


@pytest.mark.parametrize(
    ("text", "environment", "names"),
    [
        ("[profiles.default]\nvaults = ['b', ' a ', 'b']", {}, ("b", "a")),
        ("[profiles.default]\nvaults = 'a, b,'", {}, ("a", "b")),
        ("[profiles.default]\nvaults = ['c']", {"CASFS_VAULTS": "b,a"}, ("b", "a")),
        ("[profiles.default]\nvaults = []", {}, ()),
        ("", {}, ()),
    ],
)
def test_vaults_are_named(settings, text, environment, names):
    found = settings(text, CASFS_REGION="r", **environment, **KEYS)
    assert (found.vaults, found.vault_rules) == (names, {})


def test_vaults_with_rules_of_their_own_are_named_by_that(settings):
    rules = {"photos": RuleSet(("fastglacier", "plain"))}
    found = settings(RULES_OF_VAULTS, **KEYS)
    assert (found.vaults, found.vault_rules) == (("photos", "old papers"), rules)
    found = settings(RULES_OF_VAULTS, CASFS_VAULTS="other", **KEYS)
    assert (found.vaults, found.vault_rules) == (("other",), rules)


def test_a_profile_is_chosen_by_flag_before_environment(settings):
    assert settings(FILE, "other").endpoint == "http://other.example:8080"
    assert settings(FILE, CASFS_PROFILE="other").profile == "other"
    assert settings(FILE, "default", CASFS_PROFILE="other").profile == "default"


def test_keys_of_the_environment_do_not_mix_with_those_of_the_official_file(settings, home):
    (home / ".cascmd_credentials").write_text("[CASCredentials]\nsecretid=a\nsecretkey=b\n")
    with pytest.raises(ConfigError, match="no credentials"):
        settings(CASFS_REGION="r", CASFS_ACCESS_KEY_ID="AKIDenv")


@pytest.mark.parametrize(
    ("text", "environment", "told"),
    [
        (
            "\n[profiles.default]\naccount = '1'\n# region\nregoin = 'x'",
            KEYS,
            r"config\.toml, line 5: unknown setting regoin; did you mean region\?",
        ),
        (
            "[profiles.default]\nvaults = [\n'a',\n]\ncolour = 'x'",
            KEYS,
            r"line 5: unknown setting colour; known: access_key_id, account",
        ),
        (
            "[profile.default]\nregion = 'x'",
            GIVEN,
            r"line 1: unknown table \[profile\.default\]; did you mean \[profiles\.default\]\?",
        ),
        (
            "[default]\nregion = 'x'",
            GIVEN,
            r"line 1: unknown table \[default\]; .*profiles\.default",
        ),
        ("region = 'x'", GIVEN, r"line 1: region is outside of a profile; .*\[profiles\.NAME\]"),
        ("[profiles]\nregion = 'x'", GIVEN, r"line 2: `profiles` must be tables; .*profiles\.NAME"),
        ("[profiles.default]\nregion = ['x']", KEYS, "line 2: region must be text in quotes"),
        ("[profiles.default]\nregion = 3", KEYS, "line 2: region must be text .* not a number"),
        ("[profiles.default]\nregion = 2020-01-01", KEYS, "not a date or time"),
        (
            "[profiles.default]\naccount = true",
            GIVEN,
            "line 2: account must be .* not true or false",
        ),
        ("[profiles.default]\nconnections = true", GIVEN, "line 2: connections must be a number"),
        ("[profiles.default]\nconnections = [3]", GIVEN, "line 2: connections must be a number"),
        (
            "[profiles.default]\n\nconnections = 0",
            GIVEN,
            "line 3: connections must be a number",
        ),
        ("[profiles.default]\nconnections = 0x" + "f" * 5000, GIVEN, "line 2: connections is not"),
        ("[profiles.default]\nconnections = " + "9" * 5000, GIVEN, "number in it is too long"),
        ("[profiles.default]\ndescription_rules = ['plain']", GIVEN, 'line 2: .* such as "a,b"'),
        ("[profiles.default]\nx = " + "[" * 5000, GIVEN, "nested too deeply"),
        ("profiles = 3", KEYS, "must be tables"),
        ("[profiles]\ndefault = 3", KEYS, "must be tables"),
        ("[profiles.default", KEYS, "config.toml cannot be read: .*line 1"),
        ("[profiles.default]\nregion = 'x", KEYS, "config.toml cannot be read: .*line 2"),
        ("", {"CASFS_REGION": "r"}, "CASFS_ACCESS_KEY_ID"),
        ("", {"CASFS_REGION": "r", "CASFS_ACCESS_KEY_ID": "x"}, "CASFS_SECRET_ACCESS_KEY"),
        ("", KEYS, "no endpoint"),
        ("", KEYS | {"CASFS_REGION": "a/b"}, "no endpoint"),
        ("", KEYS | {"CASFS_REGION": "r", "CASFS_DIALECT": "s3"}, "unknown dialect 's3'"),
        ("", KEYS | {"CASFS_REGION": "r", "CASFS_CACHE_SIZE": "lots"}, "cache_size must be a size"),
        ("", KEYS | {"CASFS_REGION": "r", "CASFS_CONNECTIONS": "0"}, "connections must be"),
        ("", KEYS | {"CASFS_REGION": "r", "CASFS_CONNECTIONS": "2.5"}, "connections must be"),
        ("", KEYS | {"CASFS_REGION": "r", "CASFS_DEADLINE": "nan"}, "deadline must be"),
        ("", KEYS | {"CASFS_REGION": "r", "CASFS_DEADLINE": "inf"}, "deadline must be"),
        (
            "",
            GIVEN | {"CASFS_DESCRIPTION_RULES": "fastglaceir"},
            "description_rules has an unknown rule 'fastglaceir'; known: .*fastglacier",
        ),
        ("[profiles.default.vaults]\nphotos = 'plain'", GIVEN, r"profiles\.NAME\.vaults\.VAULT"),
        ("[profiles.default]\nvaults = [3]", GIVEN, "list of names"),
        ("[profiles.default]\nvaults = 3", GIVEN, r"profiles\.NAME\.vaults\.VAULT"),
        (
            "[profiles.default.vaults.photos]\ndescription_rules = 'x'",
            GIVEN,
            "description_rules of vault 'photos' has an unknown rule 'x'",
        ),
        (
            "[profiles.default.vaults.photos]\ndescription_rules = ''",
            GIVEN,
            "description_rules of vault 'photos' has an unknown rule ''",
        ),
        (
            "[profiles.default.vaults.photos]\nregion = 'x'",
            GIVEN,
            "vault 'photos' has an unknown setting region; the only setting of a vault is",
        ),
        ("", KEYS | {"CASFS_ENDPOINT": "ftp://x"}, "not an http or https URL"),
        ("", KEYS | {"CASFS_ENDPOINT": "https://"}, "not an http or https URL"),
        ("", KEYS | {"CASFS_ENDPOINT": "https://x/y"}, "host and port only"),
        ("", KEYS | {"CASFS_ENDPOINT": "https://@x"}, "without a user name"),
        ("", KEYS | {"CASFS_ENDPOINT": "https://:@x:8080"}, "without a user name"),
        ("", KEYS | {"CASFS_ENDPOINT": "@x"}, "without a user name"),
        ("", KEYS | {"CASFS_ENDPOINT": "http://[::1"}, "not an http or https URL"),
        ("", KEYS | {"CASFS_ENDPOINT": "http://x:port"}, "not an http or https URL"),
        ("", KEYS | {"CASFS_ENDPOINT": "http://x:99999"}, "not an http or https URL"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(settings, text, environment, told):
    with pytest.raises(ConfigError, match=told) as caught:
        settings(text, **environment)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("config.toml") <= 1


@pytest.mark.parametrize(
    "value", ["[" * 495 + "]" * 495, "[" * 5000, "0x" + "f" * 6000, "9" * 6000, "'open"]
)
def test_odd_values_are_named_and_no_bug(settings, value):
    for name in ("region", "account", "cache_size", "regoin"):
        with pytest.raises(ConfigError) as caught:
            settings(f"[profiles.default]\n{name} = {value}", **KEYS)
        assert str(caught.value).count("config.toml") == 1


def test_the_line_of_a_mistake_in_a_long_file_is_found(settings):
    tables = "".join(
        f"[profiles.p{n}]\nregion = 'x'\nvaults = [\n'a',\n'b',\n]\n" for n in range(700)
    )
    with pytest.raises(ConfigError, match=r"line 4203: unknown setting regoin"):
        settings(f"{tables}[profiles.default]\nregion = 'x'\nregoin = 'y'\n", **KEYS)


def test_a_line_that_would_take_too_long_to_find_is_left_out(settings):
    lines = "'x',\n" * 1000
    with pytest.raises(ConfigError, match=r"config\.toml: unknown setting regoin"):
        settings(f"[profiles.default]\nregoin = [\n{lines}]\nregion = 'x'\n", **KEYS)


def test_a_profile_that_is_not_there_is_named_with_those_that_are(settings):
    with pytest.raises(ConfigError, match=r"no profile 'nope'.*default, other.*profiles\.nope"):
        settings(FILE, "nope")


def test_a_file_that_is_named_must_exist(tmp_path, home):
    environment = GIVEN | {"CASFS_CONFIG": str(tmp_path / "confg.toml")}
    with pytest.raises(ConfigError, match=r"confg\.toml, which CASFS_CONFIG names, does not exist"):
        load(None, {}, environment, home)
    assert load(None, {}, environment | {"CASFS_CONFIG": ""}, home).region == "r"


def test_a_file_in_another_encoding_is_named_with_the_line(tmp_path, home):
    (tmp_path / "config.toml").write_bytes(b"# fine\n# gr\xfc\xdfe\n")
    with pytest.raises(ConfigError, match=r"config\.toml, line 2: not UTF-8"):
        load(None, {}, GIVEN | {"CASFS_CONFIG": str(tmp_path / "config.toml")}, home)


@pytest.mark.parametrize(
    ("dialect", "region", "wanted"),
    [
        ("cas", "ap-chengdo", "did you mean ap-chengdu?"),
        ("oas", "cn-hangzou", "did you mean cn-hangzhou?"),
        ("glacier", "eu-wset-1", "did you mean eu-west-1?"),
        ("cas", "xx", "known: ap-beijing, ap-chengdu,"),
    ],
)
def test_a_region_that_is_not_known_is_a_warning(settings, caplog, dialect, region, wanted):
    found = settings(CASFS_DIALECT=dialect, CASFS_REGION=region, **KEYS)
    assert region in found.endpoint
    assert f"region {region} is not one that casfs knows; {wanted}" in caplog.text


@pytest.mark.parametrize(
    "given_",
    [{"CASFS_REGION": "ap-beijing"}, {"CASFS_REGION": "x", "CASFS_ENDPOINT": "cas.example"}],
)
def test_regions_that_are_known_and_those_of_stand_ins_are_no_news(settings, caplog, given_):
    settings(**given_, **KEYS)
    assert caplog.text == ""


def test_no_error_and_no_repr_tells_a_secret(settings, home):
    secret = "s3cret-%-value"
    found = settings(FILE.replace("secret-of-file", secret))
    assert secret not in repr(found)
    assert secret not in str(vars(found))
    broken = FILE.replace('"secret-of-file"', f'"{secret}')
    with pytest.raises(ConfigError) as caught:
        settings(broken)
    assert secret not in str(caught.value)
    for odd in ("https://me:{}@x.test", "ftp://me:{}@x.test", "http://me:{}@x.test:port"):
        with pytest.raises(ConfigError, match=r"x\.test") as caught:
            settings(CASFS_ENDPOINT=odd.format(secret), **KEYS)
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("cas.example", "https://cas.example"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
        (" cas.example:81 ", "https://cas.example:81"),
    ],
)
def test_an_endpoint_is_a_url_or_a_host(settings, given_, wanted):
    assert settings(CASFS_ENDPOINT=given_, **KEYS).endpoint == wanted


def test_the_file_is_in_the_users_folder_unless_named(tmp_path):
    assert config_files({"CASFS_CONFIG": str(tmp_path / "x")}) == [tmp_path / "x"]
    assert config_files({})[0].parts[-2:] == ("casfs", "config.toml")


@pytest.fixture
def two_files(tmp_path, monkeypatch):
    """A file of the user's and one of the system; each has a profile that the other lacks."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    own, system = tmp_path / "own" / "casfs" / "config.toml", tmp_path / "system.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[profiles.mine]\nregion = "r1"\n[profiles.both]\nregion = "r2"\n')
    system.write_text('[profiles.shared]\nregion = "r3"\n[profiles.both]\nregion = "r4"\n')
    monkeypatch.setattr("casfs.settings.SYSTEM_CONFIG", system)
    return own, system


def test_a_profile_of_the_user_comes_before_one_of_the_system(two_files, home):
    def region(profile):
        return load(profile, None, KEYS, home).region

    assert [region(name) for name in ("mine", "shared", "both")] == ["r1", "r3", "r2"]
    with pytest.raises(ConfigError, match=re.escape(str(two_files[0]))):
        region("neither")
    two_files[0].unlink()
    assert region("both") == "r4"
    with pytest.raises(ConfigError, match=re.escape(str(two_files[1]))):
        region("neither")


def test_profiles_of_both_files_are_listed_once(two_files, home):
    found = [(one.use, one.source) for one in profiles({}, home) if one.use.startswith("--profile")]
    own, system = map(str, two_files)
    assert found == [
        ("--profile mine", own),
        ("--profile both", own),
        ("--profile shared", system),
    ]


UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


@given(
    st.integers(0, 1 << 70),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["", "b", "ib", "B", "iB"]),
    st.sampled_from(["", " "]),
)
def test_sizes_are_powers_of_1024_exactly(number, unit, suffix, blank):
    text = f" {number}{blank}{unit}{suffix} "
    assert parse_size(text, "size") == number * 1024 ** UNITS[unit]
    assert parse_size(text.upper(), "size") == number * 1024 ** UNITS[unit]


@given(st.decimals(0, 1000, places=3), st.sampled_from("kmgt"))
def test_sizes_may_have_a_fraction(number, unit):
    exact = number * 1024 ** UNITS[unit]
    assert math.isclose(parse_size(f"{number}{unit}", "size"), exact, rel_tol=1e-9, abs_tol=1)


@example("0\x85")
@given(st.text(max_size=20) | st.from_regex(r"\A-?[0-9.]{0,400}[a-zA-Z]{0,3}\Z"))
def test_any_other_text_is_refused_with_the_settings_name(text):
    # Python's idea of blanks and letters: it has more of both than ASCII.
    if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,30})?\s*[kmgtp]?(i?b)?", text.strip().lower()):
        assert parse_size(text, "cache_size") >= 0
    else:
        with pytest.raises(ConfigError, match=r"^cache_size must be a size"):
            parse_size(text, "cache_size")


def test_a_region_beats_an_endpoint_of_a_place_that_counts_less(settings, home):
    """Else a flag would be passed over, and another region restored from."""
    (home / ".oascredentials").write_text(
        "[OASCredentials]\nhost = cn-hangzhou.oas.aliyuncs.com\naccessid = a\naccesskey = b\n"
    )
    asked = {"dialect": "oas", "region": "cn-beijing"}
    assert settings(flags=asked).endpoint == "https://cn-beijing.oas.aliyuncs.com"
    found = settings(FILE, profile="other", CASFS_REGION="ap-chengdu")
    assert found.endpoint == "https://cas.ap-chengdu.myqcloud.com"
    # Named in one place, the endpoint is the more exact of the two.
    both = {"region": "cn-beijing", "endpoint": "http://127.0.0.1:1"}
    assert settings(FILE, flags=both).endpoint == "http://127.0.0.1:1"


def test_a_region_that_is_signed_for_leaves_the_endpoint_alone(settings):
    keys = {"access_key_id": "a", "secret_access_key": "b", "endpoint": "http://127.0.0.1:1"}
    flags = keys | {"dialect": "glacier"}
    assert settings(flags=flags, CASFS_REGION="us-east-1").endpoint == "http://127.0.0.1:1"


def test_an_account_that_no_request_names_tells_nobody_apart(settings):
    """Keys of two companies must not share a cache because a variable is left over."""
    found = settings(FILE, flags={"dialect": "oas"}, CASFS_ACCOUNT="1250000000")
    assert found.account == "-"
