"""How a restore waits for its jobs."""

from types import SimpleNamespace
from typing import Any

from casfs.restore import restore_run
from casfs.restore.restore_run import RestoreRun
from casfs.restore.worklist import Worklist


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
