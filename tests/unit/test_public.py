"""What casfs offers to other programs."""

import contextlib
import subprocess
import sys

import pytest

import casfs
from tests.support.client_reading import DATA, emulator_with_data
from tests.support.emulator.running import KEY_ID, SECRET


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The URL of an emulator, and its finished job that brings `DATA`."""
    with emulator_with_data(tmp_path_factory.mktemp("emulator")) as (emulator, archive):
        yield emulator.url, emulator.retrieve("v", archive)


@pytest.fixture
def settings(service, tmp_path, monkeypatch):
    (tmp_path / "config.toml").touch()
    monkeypatch.setenv("CASFS_CONFIG", str(tmp_path / "config.toml"))
    return {
        "endpoint": service[0],
        "access_key_id": KEY_ID,
        "secret_access_key": SECRET,
        "cache_dir": str(tmp_path / "cache"),
    }


def test_an_account_is_listed_and_read(service, settings):
    path = f"/vaults/v/jobs/{service[1]}/output"
    with casfs.open_account(**settings) as account:
        assert isinstance(account, casfs.Client)
        assert path in [node.path for node in account.list(path.rpartition("/")[0])]
        node = account.stat(path)
        with contextlib.closing(account.open(node)) as file:
            assert file.size == len(DATA)
            assert bytes(file.pread(len(DATA), 0)) == DATA
        assert account.attributes(node)["verified"] == "yes"


def test_a_profile_gives_the_settings(settings, tmp_path):
    lines = [f'{name} = "{value}"' for name, value in settings.items()]
    config = tmp_path / "config.toml"
    config.write_text("\n".join(["[profiles.work]", *lines]))
    config.chmod(0o600)
    with casfs.open_account("work") as account:
        assert [vault.name for vault in account.vaults()] == ["Other.1", "v"]


def test_errors_are_of_one_kind_and_have_an_errno(settings):
    with casfs.open_account(**settings) as account, pytest.raises(casfs.CasfsError) as caught:
        account.stat("/vaults/v/jobs/none/output")
    assert isinstance(caught.value, OSError)
    assert caught.value.errno
    with pytest.raises(casfs.CasfsError, match="endpont"):
        casfs.open_account(endpont="x")


@pytest.mark.parametrize("name", casfs.__all__)
def test_every_public_name_is_there_and_documented(name):
    found = getattr(casfs, name)
    assert name == "__version__" or found.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = casfs.nothing


def test_the_import_alone_loads_nothing_else():
    code = "import casfs, sys; print(sorted(m for m in sys.modules if m.startswith('casfs.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
