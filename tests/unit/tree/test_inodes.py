"""Inodes: no two alike, in the order of names, and the same after a remount."""

import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.tree.inodes import archive_inode, path_inode
from tests.support.vaults import archive, vaults_at

MILLION = 1_000_000


@pytest.mark.parametrize("form", ["{:07}.jpg", "photo-{:07}.tar.gz", "IMG_{:07} (2).CR2"])
def test_a_million_files_of_a_directory(form):
    step = 5
    numbers = range(0, MILLION, step)
    shared = os.path.commonprefix([form.format(0), form.format(MILLION - 1)])  # noqa: RUF071
    # Their rows in the catalog are in any order.
    inodes = [
        archive_inode(form.format(number), shared, number * 7919 % MILLION) for number in numbers
    ]
    assert all(one < other for one, other in itertools.pairwise(inodes))


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True, max_size=50))
def test_order_never_contradicts_that_of_names(names):
    names.sort(key=str.encode)
    codes = [archive_inode(name, "", 0) for name in names]
    assert codes == sorted(codes)
    inodes = [archive_inode(name, "", number) for number, name in enumerate(names)]
    assert len(set(inodes)) == len(names)
    assert all(1 << 62 <= inode < 1 << 63 for inode in inodes)
    assert all(1 < path_inode(name) < 1 << 62 for name in names)


def test_a_directory_knows_what_its_names_share(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", [archive(f"{n}", f"dir/file-{n:05}.txt") for n in (3, 120, 999)])
        assert vaults.archives.shared_prefix("v", "dir") == "file-00"
        assert vaults.archives.shared_prefix("v", "") == ""
        assert vaults.archives.shared_prefix("v", "other") == ""
