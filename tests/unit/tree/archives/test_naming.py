"""Names depend on what is catalogued, and on nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.tree.archives.entries import Archive, Scope, Subdirectory
from casfs.tree.current_names import CurrentNames
from casfs.tree.descriptions.generated_names import second_name
from casfs.tree.descriptions.rules import DEFAULT, RuleSet
from casfs.tree.inventory.entry import ArchiveEntry
from tests.support.vaults import (
    EARLY,
    LATE,
    archive,
    description,
    expected_tree,
    job,
    vaults_at,
)

LONG = "x" * 251 + ".txt"
MARKED = "a~20190412T081530Z~1a2b3c4d5e6f.txt"
NAMES = [
    "a", "b", "a.txt", "ä", "a\n", "a%0A", MARKED, MARKED.replace("~", "%7E", 1), LONG,
    "x" * 250 + "y.txt", "by-id", "by%2Did", "..", "%2E%2E",
]  # fmt: skip
"""Some of them meet once they are escaped."""
paths = st.builds(
    lambda parts, end: "/".join(parts) + end,
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    st.sampled_from(["", "", "", "/"]),
)
descriptions = st.one_of(
    paths.map(description), paths, st.sampled_from([None, "", "{", "\ud800", "mt2 %"])
)
dates = st.sampled_from([None, EARLY, LATE, "2019-04-12T08:15:30.001Z"])
vaults_full = st.lists(
    st.builds(
        ArchiveEntry,
        st.integers(0, 99).map(lambda number: f"id{number}") | st.sampled_from(["ä", "\ud800"]),
        descriptions,
        dates,
        st.just(5),
        st.none(),
    ),
    unique_by=lambda entry: entry.id,
    max_size=12,
)


@given(st.data())
def test_names_depend_on_neither_order_nor_split(tmp_path_factory, data):
    entries = data.draw(vaults_full)
    with vaults_at(tmp_path_factory.mktemp("x") / "c.sqlite") as vaults:
        shuffled = data.draw(st.permutations(entries))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(entries)), max_size=3)))
        starts, ends = [0, *cuts], [*cuts, len(entries)]
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            vaults.take(f"inventory {number}", shuffled[start:end])
        expected = expected_tree(entries)
        assert vaults.tree() == expected
        assert vaults.tree(Scope.READABLE) == {}
        for path, archive_id in expected.items():
            found = vaults.archives.entry("v", path, Scope.ALL)
            if archive_id is None:
                assert found == Subdirectory(path)
            else:
                assert isinstance(found, Archive)
                assert (found.id, found.path) == (archive_id, path)
        ids = [entry.id for entry in entries]
        together = {one.id: one for one in vaults.archives.by_ids("v", [*ids, "unknown"])}
        for entry in entries:
            by_id = vaults.archives.by_id("v", entry.id)
            assert by_id is not None
            assert by_id == together[entry.id]
            assert by_id.description == entry.description
            assert by_id.path is None or expected[by_id.path] == entry.id
            assert (by_id.path is None) == (entry.id not in expected.values())


@given(st.data())
def test_what_can_be_read_has_the_names_it_has_among_all(tmp_path_factory, data):
    entries = data.draw(vaults_full)
    # Jobs name archives in text that can be sent.
    ids = [entry.id for entry in entries if entry.id != "\ud800"] or ["not listed"]
    turns = st.lists(st.sets(st.sampled_from(ids)), max_size=3)
    with vaults_at(tmp_path_factory.mktemp("x") / "c.sqlite") as vaults:
        before = data.draw(st.booleans())
        if before:
            vaults.take("inventory", entries)
        readable: set[str] = set()
        for readable in data.draw(turns):
            vaults.list_jobs(*(job(f"job of {one}", one) for one in sorted(readable)))
            if before:
                assert vaults.tree(Scope.READABLE) == expected_tree(entries, readable)
            known = (vaults.archives.by_id("v", one) for one in ids)
            assert readable == {one.id for one in known if one is not None and one.readable}
        vaults.take("inventory", entries)
        expected = expected_tree(entries, readable)
        assert vaults.tree(Scope.READABLE) == expected
        for path in expected_tree(entries):
            entry = vaults.archives.entry("v", path, Scope.READABLE)
            assert (entry is not None) == (path in expected)


@given(vaults_full)
def test_an_archive_that_comes_renames_only_the_one_that_it_replaces(tmp_path_factory, entries):
    """And what stood where its folders have to stand."""
    with vaults_at(tmp_path_factory.mktemp("x") / "c.sqlite") as vaults:
        vaults.take("first", entries[1:])
        before = {one: path for path, one in vaults.tree().items() if one}
        vaults.take("second", entries[:1])
        after = vaults.tree()
        for archive_id, path in before.items():
            if after.get(path) != archive_id:
                renamed = {one: path for path, one in after.items() if one}[archive_id]
                assert renamed.startswith(path[: path.rfind("/") + 1])
                assert after[path] in (entries[0].id, None)


@given(vaults_full, st.permutations(sorted(DEFAULT.names)), st.integers(0, 3))
def test_other_rules_give_other_names_to_what_is_catalogued(
    tmp_path_factory, entries, names, count
):
    rules = RuleSet(tuple(names[:count]))
    with vaults_at(tmp_path_factory.mktemp("x") / "c.sqlite") as vaults:
        vaults.take("inventory", entries)
        for used in (rules, DEFAULT):
            vaults.intake.use_rules("v", used)
            assert vaults.tree() == expected_tree(entries, rules=used)


def test_names_that_an_earlier_casfs_derived_are_replaced(tmp_path):
    entries = [archive(f"id{n}", f"dir%20x/my%20file {n}.pdf") for n in range(3)]
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", entries)
        with vaults.database.transaction() as connection:
            connection.execute("UPDATE rules SET text = '1' || substr(text, 2)")
            connection.execute("UPDATE archives SET name = replace(name, '%20', '%2520')")
            connection.execute("UPDATE folders SET name = 'dir%2520x' WHERE name = 'dir%20x'")
        assert "dir%2520x/my%2520file 0.pdf" in vaults.tree()
        names = CurrentNames(vaults.database, lambda vault: DEFAULT, 5)
        names.update("v")
        assert vaults.tree() == expected_tree(entries)
        assert "dir%20x/my%20file 0.pdf" in vaults.tree()


def test_archives_whose_names_meet_are_all_there(tmp_path):
    entries = [archive("1", "a%0Ab"), archive("2", "a\nb", LATE), archive("3", "a%0Ab", None)]
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", entries)
        assert vaults.tree() == expected_tree(entries)
        assert vaults.tree()["a%0Ab"] == "2"
        assert set(vaults.tree().values()) == {"1", "2", "3"}


def test_500_archives_of_one_name_are_all_there(tmp_path):
    entries = [archive(f"id{number}", "dir/one name.txt") for number in range(500)]
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("inventory", entries)
        tree = vaults.tree()
        assert tree == expected_tree(entries)
        assert len(tree) == 501
        assert tree["dir/one name.txt"] == "id99"


def test_a_file_gives_way_to_a_folder_of_its_name_at_every_depth(tmp_path):
    entries = [
        archive("1", "a"),
        archive("2", "a/b"),
        archive("3", "a/b/c"),
        archive("4", "a/b/c/d"),
        archive("5", "a/b/c/"),
        archive("6", "a/b", LATE),
    ]
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("inventory", entries[:1])
        assert vaults.tree() == {"a": "1"}
        vaults.take("rest", entries[1:])
        assert vaults.tree() == expected_tree(entries)
        names = [path for path, one in vaults.tree().items() if one is None]
        assert sorted(names) == ["a", "a/b", "a/b/c"]
        vaults.take("full", entries[:1], date="2021-01-01T00:00:00Z", full=True)
        assert vaults.tree() == {"a": "1"}


def test_ties_go_by_the_id(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", [archive(name, "n") for name in "bca"])
        assert vaults.tree()["n"] == "c"


@pytest.mark.parametrize("name", [LONG, "ä" * 127, "." * 3 + "x" * 252, "x" * 236 + "." + "y" * 16])
def test_a_name_that_had_to_be_cut_for_its_mark_is_found(tmp_path, name):
    entries = [archive(f"{n}", name, f"2019-01-{n + 1:02}T00:00:00Z") for n in range(4)]
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", entries)
        for path, archive_id in expected_tree(entries).items():
            found = vaults.archives.entry("v", path, Scope.ALL)
            assert isinstance(found, Archive)
            assert found.id == archive_id


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a/b",
        "nothing",
        "a~20190412T081530Z~000000000000",
        "a~99999999T999999Z~000000000000",
        second_name("a", None, "1"),
        second_name("a", None, "2"),
        "x" * 230 + "~20190412T081530Z~000000000000",
    ],
)
def test_what_is_not_shown_is_not_found(tmp_path, name):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", [archive("1", "a", None)])
        found = vaults.archives.entry("v", name, Scope.ALL)
        assert found == (Subdirectory("") if name == "" else None)


def test_an_archive_for_a_folder_is_reached_by_id_alone(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", [archive("1", "a/b/")])
        vaults.list_jobs(job("j", "1"))
        assert vaults.tree(Scope.READABLE) == {"a": None, "a/b": None}
        found = vaults.archives.by_id("v", "1")
        assert found is not None
        assert (found.path, found.is_directory, found.readable) == (None, True, True)


def test_an_archive_that_holds_more_than_a_folder_needs_is_a_file(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        entries = [archive("1", "a/b/", size=2), archive("2", "a/b/")]
        vaults.take("i", entries)
        assert "1" in vaults.tree().values()
        assert vaults.tree() == expected_tree(entries)


def test_vaults_have_archives_of_their_own(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", [archive("1", "a")])
        vaults.take("i", [archive("1", "b")], vault="w")
        assert (vaults.tree(), vaults.tree(vault="w")) == ({"a": "1"}, {"b": "1"})
        vaults.list_jobs(job("j", "1"))
        assert (vaults.tree(Scope.READABLE), vaults.tree(Scope.READABLE, "w")) == ({"a": "1"}, {})
