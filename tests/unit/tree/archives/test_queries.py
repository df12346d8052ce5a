"""Folders of any size come as they are read; patterns find what they should."""

import fnmatch
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import NotFoundError
from casfs.tree.archives.entries import Archive, Scope, Subdirectory
from tests.support.vaults import EARLY, archive, expected_tree, job, vaults_at


@pytest.fixture(scope="module")
def vaults(tmp_path_factory):
    with vaults_at(tmp_path_factory.mktemp("x") / "c.sqlite") as made:
        made.take("i", LARGE)
        made.list_jobs(*(job(f"j{n}", f"{n:04}") for n in range(0, 2500, 2)))
        yield made


LARGE = [
    *(archive(f"{n:04}", f"large/{n % 1200:04}.txt") for n in range(2500)),
    *(archive(f"f{n}", f"folders/{n:04}/file") for n in range(1500)),
]


def test_a_large_folder_comes_whole_and_in_order(vaults):
    entries = list(vaults.archives.entries("v", "large", Scope.ALL))
    expected = [path for path in expected_tree(LARGE) if path.startswith("large/")]
    assert sorted(entry.path for entry in entries) == sorted(expected)
    ids = [entry.id for entry in entries if isinstance(entry, Archive)]
    assert ids == sorted(ids, key=lambda one: (int(one) % 1200, one))
    readable = list(vaults.archives.entries("v", "large", Scope.READABLE))
    assert [entry.id for entry in readable] == [one for one in ids if int(one) % 2 == 0]


def test_folders_come_before_archives_and_in_order(vaults):
    entries = list(vaults.archives.entries("v", "folders", Scope.ALL))
    assert entries == [Subdirectory(f"folders/{n:04}") for n in range(1500)]
    assert list(vaults.archives.entries("v", "", Scope.READABLE)) == [
        Subdirectory("large", 1514764800 * 10**9)
    ]


def test_a_large_folder_comes_as_it_is_read(vaults):
    first = list(itertools.islice(vaults.archives.entries("v", "large", Scope.ALL), 3))
    assert len(first) == 3
    assert len(list(vaults.archives.entries("v", "large", Scope.READABLE))) == 1250


@pytest.mark.parametrize("folder", ["no", "large/0000.txt", "large/no", "/", "large/"])
def test_a_folder_that_is_not_there_is_an_error(vaults, folder):
    with pytest.raises(NotFoundError, match="no directory"):
        vaults.archives.entries("v", folder, Scope.ALL)
    with pytest.raises(NotFoundError, match="no directory"):
        vaults.archives.entries("v", "folders", Scope.READABLE)


def test_a_vault_without_a_catalogue_is_empty(vaults):
    assert list(vaults.archives.entries("w", "", Scope.ALL)) == []
    assert list(vaults.archives.find("w", "*", Scope.ALL)) == []
    assert list(vaults.archives.readable_nameless("w")) == []
    assert vaults.archives.by_id("w", "0000") is None
    assert vaults.archives.entry("w", "large", Scope.ALL) is None


def test_an_archive_has_what_the_inventory_states(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        told = archive("1", "dir/a.txt", EARLY, size=7)
        vaults.take("i", [told])
        found = vaults.archives.entry("v", "dir/a.txt", Scope.ALL)
        assert isinstance(found, Archive)
        assert found == vaults.archives.by_id("v", "1")
        assert (found.id, found.path, found.size) == ("1", "dir/a.txt", 7)
        assert (found.description, found.tree_hash) == (told.description, told.tree_hash)
        assert found.created is not None
        assert found.created.isoformat() == "2019-04-12T08:15:30+00:00"
        assert (found.rule, found.mtime) == ("fastglacier", 1514764800 * 10**9)


def test_without_a_time_in_the_description_the_upload_counts(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", [archive("1", None)._replace(description="plain.txt")])
        found = vaults.archives.entry("v", "plain.txt", Scope.ALL)
        assert isinstance(found, Archive)
        assert found.mtime == 1555056930 * 10**9


paths = st.lists(st.sampled_from(["a", "b", "ab", "[a]", "*", "a.txt"]), min_size=1, max_size=3)
patterns = st.lists(st.sampled_from(["a", "b", "*", "?", "/", "[ab]", "[", ".txt"]), max_size=6)


@given(st.lists(paths.map("/".join), max_size=8), st.lists(patterns.map("".join), max_size=8))
def test_a_pattern_finds_what_the_shell_would_match(tmp_path_factory, names, wanted):
    entries = [archive(f"{number}", name) for number, name in enumerate(names)]
    readable = {entry.id for entry in entries[::2]}
    with vaults_at(tmp_path_factory.mktemp("x") / "c.sqlite") as vaults:
        vaults.take("i", entries)
        vaults.list_jobs(*(job(f"j{one}", one) for one in sorted(readable)))
        for scope, which in ((Scope.ALL, None), (Scope.READABLE, readable)):
            tree = expected_tree(entries, which)
            for pattern in wanted:
                found = {one.path: one.id for one in vaults.archives.find("v", pattern, scope)}
                assert found == {
                    path: archive_id
                    for path, archive_id in tree.items()
                    if archive_id is not None and fnmatch.fnmatchcase(path, pattern)
                }


def test_every_query_has_an_index(vaults):
    """A scan would be right, too, and take seconds in a vault of a million archives."""
    from casfs.tree.archives import directory_rows, ingest, queries, readable, traversal

    queries_used = [
        (traversal._ARCHIVES[Scope.ALL], 5),
        (traversal._ARCHIVES[Scope.READABLE], 5),
        (traversal._DIRECTORIES[Scope.ALL], 3),
        (traversal._DIRECTORIES[Scope.READABLE], 3),
        (queries._CHILD, 3),
        (queries._NAMES, 1),
        (queries._NEWEST, 2),
        (queries._OLDER, 4),
        (queries._OLDER_OF_CUT, 3),
        (queries._READABLE_NAMELESS, 3),
        (queries._BY_ID, 2),
        (queries._BY_IDS, 1),
        (queries._NEWEST_NAMELESS, 1),
        (readable._JOBS, 1),
        (readable._KNOWN, 1),
        (readable._UNPARSED, 1),
        (ingest._LISTED, 1),
    ]
    for query, count in queries_used:
        values = (["[]"] if "json_each" in query else ["x"]) * count
        plan = [row[3] for row in vaults.database.rows(f"EXPLAIN QUERY PLAN {query}", *values)]
        small = ("json_each", "above")
        scans = [
            step
            for step in plan
            if step.startswith("SCAN") and not any(name in step for name in small)
        ]
        sorts = [step for step in plan if "TEMP B-TREE" in step and "RIGHT PART" not in step]
        allowed = "jobs_unparsed" if query == readable._UNPARSED else "nothing"
        assert [step for step in scans if allowed not in step] + sorts == [], (query, plan)
    plan = [row[3] for row in vaults.database.rows(f"EXPLAIN QUERY PLAN {directory_rows._TIME}")]
    assert not [step for step in plan if step.startswith(("SCAN archives", "SCAN child"))], plan
