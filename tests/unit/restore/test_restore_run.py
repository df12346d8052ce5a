"""How a restore waits for its jobs."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from casfs.client import RestorableFile
from casfs.errors import DestinationFullError, DestinationSyncError
from casfs.ledger.request import TO_THE_END
from casfs.restore import restore_run
from casfs.restore.amounts import Cap
from casfs.restore.items import Item
from casfs.restore.plan import Group, Plan
from casfs.restore.request_options import Options
from casfs.restore.rerequests import Rerequests
from casfs.restore.restore_planner import ListedWork, RestorePlanner
from casfs.restore.restore_run import RestoreRun
from casfs.restore.verdict import Status, Verdict
from casfs.restore.work_items import Again, Stage
from casfs.restore.worklist import Worklist


def item_of(archive):
    return Item(archive, archive, 0, TO_THE_END, 1, 0, whole=True)


def test_outputs_that_expire_one_after_another_do_not_list_the_jobs_each(monkeypatch):
    """Hundreds may expire within minutes; a list may have hundreds of pages."""
    clock, counts = SimpleNamespace(uptime=0.0), SimpleNamespace(expired=0)

    def sleep(seconds):
        clock.uptime += seconds
        counts.expired += 1

    monkeypatch.setattr(restore_run, "now", lambda: clock)
    fetcher: Any = SimpleNamespace(counts=counts, stopped=None, sleep=sleep)
    config = SimpleNamespace(endpoint="https://cas.ap-chengdu.myqcloud.com")
    watcher = SimpleNamespace(progress=lambda progress: None)
    nothing: Any = None
    with Worklist() as worklist:
        restore: Any = SimpleNamespace(
            client=SimpleNamespace(config=config), worklist=worklist, watcher=watcher
        )
        run = RestoreRun(restore, nothing, fetcher, nothing, nothing, waits=True)
        assert run._pause() is False
    assert 20 < clock.uptime < 60


@pytest.mark.parametrize(
    ("kind", "status"), [(DestinationSyncError, 2), (DestinationFullError, 75)]
)
def test_only_what_another_run_can_mend_is_left_to_it(kind, status):
    """A script runs the command again as long as it ends with 75."""
    counts = SimpleNamespace(mismatches=0, left=[])
    fetcher: Any = SimpleNamespace(counts=counts, stopped=kind("no"))
    nothing: Any = None
    with Worklist() as worklist:
        restore: Any = SimpleNamespace(client=nothing, worklist=worklist, watcher=nothing)
        run = RestoreRun(restore, nothing, fetcher, nothing, nothing, waits=True)
        assert run._end() == Verdict(Status(status), "no")


def test_what_was_lost_before_anybody_waited_is_not_left_to_another_run():
    """A file that a full disk has spoiled turns out to be so as soon as it is looked at."""
    counts = SimpleNamespace(expired=0)
    fetcher: Any = SimpleNamespace(counts=counts, stopped=None, wait=lambda seconds: True)
    nothing: Any = None
    with Worklist() as worklist:
        worklist.add(RestorableFile("1", "1", 1, 0, None, 0), Stage.WAITING)
        restore: Any = SimpleNamespace(client=nothing, worklist=worklist, watcher=nothing)
        run = RestoreRun(restore, nothing, fetcher, nothing, nothing, waits=True)
        assert not run._may_go_on(False)
        counts.expired += 1
        assert run._may_go_on(False)


def test_an_answer_decides_only_of_what_is_still_lost_by_then():
    """Somebody else's job may bring it while the user is asked; nothing is paid or given up."""
    lost, running, readable = "lost", "running", "readable"
    restorable = SimpleNamespace(expiries=lambda vault, archives: dict.fromkeys(archives))
    for agreed in (True, False):
        with Worklist() as worklist:
            restore: Any = SimpleNamespace(
                client=SimpleNamespace(restorable=restorable),
                vault=SimpleNamespace(name="vault"),
                worklist=worklist,
            )
            planner = RestorePlanner(restore)
            for archive in (lost, running, readable):
                file = RestorableFile(archive, archive, 1, 0, None, 0)
                worklist.add(file, Stage.WAITING)
                planner._note(item_of(archive), Group.AGAIN)
            worklist.note_asked()
            planner._note(item_of(running), Group.RUNNING)
            planner._note(item_of(readable), Group.READABLE)
            planner._note_readable()
            worklist.decide(Again.ASKED, None if agreed else "nobody wants it")
            stages = {stage: total.archives for stage, total in worklist.totals().items()}
            assert stages[Stage.READABLE] == 1
            assert stages[Stage.WAITING] == (2 if agreed else 1)
            assert [worklist.is_agreed(one) for one in (lost, running)] == [agreed, False]
            assert [one.archive for one in worklist.untold(Stage.FAILED)] == [lost] * (not agreed)


def test_an_answer_that_is_there_at_once_is_acted_on_at_once():
    """Where no job is running, nothing else would look at it again: the restore would end."""
    for agreed in (True, False):
        question = SimpleNamespace(answer=lambda agreed=agreed: agreed)
        watcher = SimpleNamespace(ask_again=lambda prepared, tier, asked=question: asked)
        options = Options(vault="vault", everything=True, rerequest="ask")
        nothing: Any = None
        with Worklist() as worklist:
            restore: Any = SimpleNamespace(options=options, worklist=worklist, watcher=watcher)
            planner = RestorePlanner(restore)
            planner.seen = ListedWork(again=1)
            worklist.add(RestorableFile("a", "a", 10, 0, None, 0), Stage.WAITING)
            worklist.note_again("a")
            run = RestoreRun(restore, planner, nothing, nothing, nothing, waits=True)
            later: Any = SimpleNamespace(plan=plan_of(Group.AGAIN, 1))
            assert run._decide(later) is agreed
            assert worklist.is_agreed("a") is agreed


def test_who_agreed_in_advance_pays_for_everything_once_more_at_most():
    """On a slow line all of it expires again and again: that is not what the plan said."""
    told: list[int] = []
    watcher = SimpleNamespace(
        requests_again=lambda prepared, tier: told.append(prepared.plan.load_again(tier).jobs)
    )
    counts = SimpleNamespace(left=[])
    nothing: Any = None
    for cap, agreed in ((None, [True, True, False]), (Cap(Decimal(9)), [True, True, True])):
        options = Options(vault="vault", everything=True, rerequest="yes", max_cost=cap)
        with Worklist() as worklist:
            restore: Any = SimpleNamespace(options=options, worklist=worklist, watcher=watcher)
            planner = RestorePlanner(restore)
            fetcher: Any = SimpleNamespace(counts=counts)
            for archive in ("a", "b", "c"):
                worklist.add(RestorableFile(archive, archive, 10, 0, None, 0), Stage.WAITING)
            run = RestoreRun(restore, planner, fetcher, nothing, nothing, waits=True)
            first: Any = SimpleNamespace(plan=plan_of(Group.READABLE, 3))
            run._rerequests = Rerequests(first, options)
            for lost, expected in zip((["a", "b"], ["c"], ["b"]), agreed, strict=True):
                planner.seen = ListedWork(again=len(lost))
                for archive in lost:
                    worklist.note_again(archive)
                later: Any = SimpleNamespace(plan=plan_of(Group.AGAIN, len(lost)))
                assert run._decide(later) is expected
            stages = {stage: total.archives for stage, total in worklist.totals().items()}
            assert stages[Stage.LEFT] == agreed.count(False)
    assert told == [2, 1, 2, 1, 1]
    assert len(counts.left) == 1


def plan_of(group, count):
    plan = Plan()
    for _ in range(count):
        plan.all.add(10)
        plan.groups[group].add(10)
    return plan
