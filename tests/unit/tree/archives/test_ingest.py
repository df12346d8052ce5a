"""Inventories add up, full ones take away, and what breaks off is done again."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import CasfsError
from casfs.tree.archives import naming
from casfs.tree.archives.entries import Scope
from casfs.tree.archives.ingest import Inventory
from casfs.tree.descriptions.decode import decode
from casfs.tree.descriptions.rules import DEFAULT, RuleSet
from casfs.tree.inventory.text import to_bytes, to_text
from casfs.tree.tree_tuning import TreeTuning
from tests.support.inventory_forms import any_bytes
from tests.support.vaults import EARLY, LATE, Read, archive, description, job, vaults_at

BETWEEN, AFTER = "2019-12-31T00:00:00Z", "2021-01-01T00:00:00Z"


@pytest.fixture
def vaults(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as made:
        yield made


def test_an_inventory_is_taken_in_once(vaults):
    assert not vaults.intake.has_taken("v", "i")
    assert vaults.take("i", [archive("1", "a")])
    assert vaults.intake.has_taken("v", "i")
    assert not vaults.intake.has_taken("w", "i")

    def never():
        raise AssertionError("it was read again")
        yield

    assert not vaults.intake.take(Inventory("v", "i"), Read(never()), DEFAULT)


def test_chained_inventories_add_up(vaults):
    for number in range(3):
        vaults.take(f"i{number}", [archive(f"{number}{n}", f"{number}{n}") for n in range(3)])
    assert len(vaults.tree()) == 9


def test_a_full_inventory_takes_away_what_it_does_not_list(vaults):
    vaults.take("first", [archive("1", "a"), archive("2", "b"), archive("3", "later", LATE)])
    assert vaults.take("full", [archive("2", "b")], date=BETWEEN, full=True)
    assert vaults.tree() == {"b": "2", "later": "3"}
    assert vaults.archives.by_id("v", "1") is None


def test_a_full_inventory_takes_nothing_from_a_newer_one(vaults):
    vaults.take("filtered", [archive("1", "a")], date=AFTER)
    vaults.take("full", [archive("2", "b")], date=BETWEEN, full=True)
    assert vaults.tree() == {"a": "1", "b": "2"}


def test_an_older_full_inventory_is_not_taken_in(vaults):
    vaults.take("newer", [archive("1", "a")], date=AFTER, full=True)
    assert not vaults.take("older", [archive("2", "b")], date=BETWEEN, full=True)
    assert vaults.tree() == {"a": "1"}
    assert vaults.intake.has_taken("v", "older")


def test_what_an_older_inventory_lists_besides_is_gone(vaults):
    vaults.take("newer", [archive("1", "a")], date=BETWEEN, full=True)
    vaults.take("older", [archive("2", "b"), archive("3", "c", LATE)], date="2019-06-01T00:00:00Z")
    assert vaults.tree() == {"a": "1", "c": "3"}


def test_a_full_inventory_without_a_date_takes_nothing_away(vaults):
    vaults.take("first", [archive("1", "a")])
    vaults.take("full", [archive("2", "b")], full=True)
    assert vaults.tree() == {"a": "1", "b": "2"}


def test_a_date_behind_the_archives_counts_too(vaults):
    vaults.take("first", [archive("1", "a")])

    class DateLast(Read):
        def batches(self):
            yield from super().batches()
            self.facts = {"InventoryDate": BETWEEN}

    reader = DateLast([archive("2", "b")])
    assert vaults.intake.take(Inventory("v", "full", full=True), reader, DEFAULT)
    assert vaults.tree() == {"b": "2"}


def test_an_inventory_without_a_date_is_as_old_as_its_job(vaults):
    vaults.take("full", [archive("1", "a")], date=BETWEEN, full=True)
    for job_id, completed in (("before", EARLY), ("after", AFTER)):
        inventory = Inventory("v", job_id, datetime.fromisoformat(completed), full=True)
        vaults.intake.take(inventory, Read([archive("2", job_id)]), DEFAULT)
    assert vaults.tree() == {"a": "1", "after": "2"}


def test_no_inventory_is_younger_than_its_job(vaults):
    inventory = Inventory("v", "wrong clock", datetime.fromisoformat(BETWEEN), full=True)
    reader = Read([archive("1", "a")], "2999-01-01T00:00:00Z")
    vaults.intake.take(inventory, reader, DEFAULT)
    assert vaults.take("later", [archive("2", "b")], date=AFTER, full=True)
    assert vaults.tree() == {"b": "2"}


def test_what_a_job_covers_outlives_the_inventory_and_goes_with_the_job(vaults):
    vaults.take("first", [archive("1", "a"), archive("2", "b")])
    vaults.list_jobs(job("j", "1"))
    vaults.take("full", [archive("2", "b")], date=BETWEEN, full=True)
    assert vaults.tree() == {"a": "1", "b": "2"}
    assert vaults.tree(Scope.READABLE) == {"a": "1"}
    vaults.list_jobs()
    assert vaults.tree() == {"b": "2"}


@given(st.data())
def test_dated_inventories_lead_to_the_same_in_any_order(tmp_path_factory, data):
    """Each lists what was there on its day; some of it, or, if it is full, all."""
    lives = data.draw(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9)), max_size=8))
    days = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True))
    inventories = []
    for day in days:
        full = data.draw(st.booleans())
        there = [
            archive(f"{number}", f"n{number % 3}", f"2019-01-{born + 1:02}T00:00:00Z")
            for number, (born, life) in enumerate(lives)
            if born < day <= born + life
        ]
        kept = there if full else [one for one in there if data.draw(st.booleans())]
        inventories.append((f"day {day}", kept, f"2019-01-{day + 1:02}T00:00:00Z", full))
    trees = []
    for order in (inventories, data.draw(st.permutations(inventories))):
        with vaults_at(tmp_path_factory.mktemp("x") / "c.sqlite") as vaults:
            for job_id, entries, date, full in order:
                vaults.take(job_id, entries, date=date, full=full)
            trees.append(vaults.tree())
    assert trees[0] == trees[1]


def test_an_inventory_that_breaks_off_is_taken_in_whole_next_time(tmp_path):
    entries = [archive(f"{number:05}", f"dir {number % 7}/{number}") for number in range(12_000)]

    def broken():
        yield from entries[:8000]
        raise CasfsError("broken off")

    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("first", [archive("old", "old")])
        inventory = Inventory("v", "full", full=True)
        with pytest.raises(CasfsError, match="broken off"):
            vaults.intake.take(inventory, Read(broken(), AFTER), DEFAULT)
        assert vaults.archives.by_id("v", "old") is not None
        assert not vaults.intake.has_taken("v", "full")
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        assert vaults.take("full", entries, date=AFTER, full=True)
        assert len(vaults.tree()) == 12_007
        assert vaults.archives.by_id("v", "old") is None


def test_names_that_are_worked_out_again_go_on_after_an_interruption(tmp_path, monkeypatch):
    entries = [archive(f"{number}", f"{number}") for number in range(20)]
    monkeypatch.setattr(naming, "TUNING", TreeTuning(transaction_archives=6))
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", entries)
        count = 0

        def breaking(text, rules):
            nonlocal count
            count += 1
            if count == 10:
                raise CasfsError("broken off")
            return decode(text, rules)

        with monkeypatch.context() as patch:
            patch.setattr(naming, "decode", breaking)
            with pytest.raises(CasfsError, match="broken off"):
                vaults.intake.use_rules("v", RuleSet(()))
    with vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.intake.use_rules("v", RuleSet(()))
        assert "0" not in vaults.tree()
        assert len(vaults.tree()) == 20


def test_a_description_that_comes_with_an_output_names_an_archive(vaults):
    vaults.list_jobs(job("j", "1"))
    found = vaults.archives.by_id("v", "1")
    assert (found.path, found.description, found.size, found.readable) == (None, None, 5, True)
    vaults.intake.put_description("v", "1", description("a/b"), DEFAULT)
    vaults.readable.refresh()
    assert vaults.tree(Scope.READABLE) == {"a": None, "a/b": "1"}
    vaults.take("i", [archive("1", "from the inventory")])
    assert vaults.tree(Scope.READABLE) == {"from the inventory": "1"}
    vaults.intake.put_description("v", "1", description("a/b"), DEFAULT)
    assert vaults.tree(Scope.READABLE) == {"from the inventory": "1"}


def test_a_description_that_an_inventory_contradicts_makes_no_folder(vaults):
    vaults.take("i", [archive("1", "one/name")])
    vaults.intake.put_description("v", "1", description("other/name"), DEFAULT)
    assert vaults.tree() == {"one": None, "one/name": "1"}


def test_what_an_inventory_stated_stays_when_a_later_one_lists_the_archive_no_more(vaults):
    vaults.take("i", [archive("1", "one/name")])
    vaults.list_jobs(job("j", "1"))
    vaults.take("full", [archive("2", "b")], date=BETWEEN, full=True)
    vaults.intake.put_description("v", "1", description("other/name"), DEFAULT)
    vaults.readable.refresh()
    assert vaults.tree(Scope.READABLE) == {"one": None, "one/name": "1"}
    assert vaults.tree() == {"one": None, "one/name": "1", "b": "2"}


def test_the_same_description_again_makes_no_folder_either(vaults):
    vaults.list_jobs(job("j", "1"))
    for path in ("a/b", "a/b", "c/d"):
        vaults.intake.put_description("v", "1", description(path), DEFAULT)
        vaults.readable.refresh()
    assert vaults.tree() == {"c": None, "c/d": "1"}


@given(st.lists(any_bytes.filter(bool), min_size=1, max_size=5))
def test_descriptions_come_back_byte_for_byte(tmp_path_factory, descriptions):
    entries = [
        archive(str(number), None)._replace(description=to_text(data))
        for number, data in enumerate(descriptions)
    ]
    with vaults_at(tmp_path_factory.mktemp("x") / "c.sqlite") as vaults:
        vaults.take("i", entries)
        vaults.take("again", entries)
        vaults.list_jobs(job("j", "told"))
        vaults.intake.put_description("v", "told", to_text(descriptions[0]), DEFAULT)
        for number, data in (*enumerate(descriptions), ("told", descriptions[0])):
            found = vaults.archives.by_id("v", str(number))
            assert found is not None
            assert to_bytes(found.description or "") == data


def test_a_description_of_what_no_job_covers_any_more_is_dropped(vaults):
    vaults.intake.put_description("v", "1", description("a"), DEFAULT)
    vaults.readable.refresh()
    assert vaults.archives.by_id("v", "1") is None
    assert vaults.tree() == {}


def test_odd_facts_are_catalogued_as_far_as_they_go(vaults):
    odd = archive("\ud800", None, "no date")._replace(
        size=1 << 70, tree_hash="no hash \udcff", description="grsync|/a|1|9999999999999.0|"
    )
    vaults.take("i", [odd])
    found = vaults.archives.by_id("v", "\ud800")
    assert (found.size, found.created, found.tree_hash) == (None, None, "no hash \udcff")
    assert isinstance(found.mtime, int)


def test_a_time_after_2262_comes_back(vaults):
    text = description("a").replace("20180101T000000Z", "99990101T000000Z")
    vaults.take("i", [archive("1", "a", EARLY)._replace(description=text)])
    assert vaults.archives.by_id("v", "1").mtime == 253370764800 * 10**9
