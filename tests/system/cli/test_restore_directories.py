"""`casfs restore` makes directories of which the vault has a marker, and pays nothing for that."""

import pytest

from tests.support.restores import VAULT, restores
from tests.support.vaults import description

SIZES = {"a/file.bin": 3, "marker 1": 1, "marker 2": 1, "marker 3": 1, "kept": 2}
MARKERS = {
    "marker 1": description("photos/empty/"),
    "marker 2": "other/empty/",
    "marker 3": description("a/"),
    # It holds something.
    "kept": "two bytes/",
}
AT = 1_514_764_800


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    with restores(tmp_path_factory.mktemp("markers"), SIZES, "--job-seconds", "0.2") as running:
        for name, text in MARKERS.items():
            running.emulator.sql(
                "UPDATE archives SET description = ? WHERE description = ?", text, name
            )
        yield running


def test_directories_are_made_of_their_markers_alone(vault, tmp_path):
    destination = tmp_path / "dest"
    status, output, errors = vault.restore(destination, "-y", "--exclude", "other")
    assert status == 0, output + errors
    assert "directories              2 " in output
    found = {str(path.relative_to(destination)) for path in destination.rglob("*")}
    others = {name for name in found if not name.startswith(".casfs-restore")}
    assert others == {"a", "a/file.bin", "photos", "photos/empty", "two bytes"}
    assert (destination / "two bytes").is_file()
    assert (destination / "photos" / "empty").stat().st_mtime_ns == AT * 10**9
    assert len(vault.requested()) == 2
    # A path may name one, and nothing need be requested then.
    status, output, errors = vault.run("restore", f"{VAULT}:other", str(destination))
    assert status == 0, output + errors
    assert (destination / "other" / "empty").is_dir()
    assert len(vault.requested()) == 2


def test_what_is_in_the_way_of_a_directory_is_named(vault, tmp_path):
    (tmp_path / "other").write_text("mine")
    status, output, errors = vault.run("restore", f"{VAULT}:other", str(tmp_path))
    assert status == 1, output + errors
    assert f"{tmp_path}/other is a file where a directory must be" in errors
    assert (tmp_path / "other").read_text() == "mine"
