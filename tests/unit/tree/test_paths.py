"""The grammar of paths: what is written is read again, and what means nothing is None."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.tree.file_names import to_file_name
from casfs.tree.paths import (
    ArchivePlace,
    ControlFile,
    JobDirectory,
    JobFile,
    JobsDirectory,
    Name,
    Top,
    VaultDirectory,
    VaultFile,
    job_file,
    parse,
)

PLACES = {
    "": Top.ROOT,
    "/": Top.ROOT,
    "//": Top.ROOT,
    "/vaults": Top.VAULTS,
    "/.casfs": Top.CONTROL,
    "/.casfs/status.json": ControlFile("status.json"),
    "/vaults/v": VaultDirectory("v"),
    "/vaults//v/": VaultDirectory("v"),
    "/vaults/v/vault.json": VaultFile("v"),
    "/vaults/v/jobs": JobsDirectory("v"),
    "/vaults/v/jobs/j": JobDirectory("v", "j"),
    "/vaults/v/jobs/j/job.json": JobFile("v", "j", "job.json"),
    "/vaults/v/jobs/j/output": JobFile("v", "j", "output"),
    "/vaults/v/archives": ArchivePlace("v", ()),
    "/vaults/v/archives/a/b": ArchivePlace("v", ("a", "b")),
    "/vaults/jobs/jobs/output/output": JobFile("jobs", "output", "output"),
}


@pytest.mark.parametrize("path", PLACES)
def test_a_path_means(path):
    assert parse(path) == PLACES[path]


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/.casfs/status.json/x",
        "/vaults/v/x",
        "/vaults/v/vault.json/x",
        "/vaults/v/jobs/j/x",
        "/vaults/v/jobs/j/output/x",
    ],
)
def test_other_paths_mean_nothing(path):
    assert parse(path) is None


@given(vault=st.text(), job=st.text())
def test_the_path_of_a_job_file_is_read_as_it_was_written(vault, job):
    place = JobFile(to_file_name(vault), to_file_name(job), Name.OUTPUT)
    assert parse(job_file(vault, job, Name.OUTPUT)) == place
