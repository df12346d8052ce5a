"""What a restore says of archives that expire before they can be fetched."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from casfs.cli.event_command import BackgroundEvents
from casfs.cli.messages import Messages
from casfs.cli.restore_report import RestoreReport
from casfs.cli.standing import Standing
from casfs.client import RestorableFile
from casfs.metrics import Metrics
from casfs.restore.restore_planner import RestoreProgress
from casfs.restore.work_items import Stage
from casfs.restore.worklist import Worklist
from tests.support.schemas import checked_lines

NOW = datetime(2026, 11, 29, tzinfo=UTC)
MIB = 1 << 20


def add(worklist: Worklist, archive: str, size: int, left: timedelta) -> None:
    file = RestorableFile(archive, f"{archive}.tif", size, 0, None, 0)
    worklist.add(file, Stage.WAITING)
    worklist.note_readable(archive, NOW + left, NOW)


def test_what_is_at_risk_is_told_and_emitted_once_half_a_minute_was_measured(capfd, tmp_path):
    shown: list[Standing] = []
    seconds, metrics, event = [0.0], Metrics(), tmp_path / "event"
    messages = Messages(True, "photos")
    progress = RestoreProgress(phase="restoring")
    with (
        Worklist() as worklist,
        BackgroundEvents(f"cat >> {event}", messages.warn) as events,
    ):
        add(worklist, "soon", 600 * MIB, timedelta(minutes=2))
        add(worklist, "later", 600 * MIB, timedelta(days=1))
        report = RestoreReport(messages, events, worklist, metrics, lambda: NOW, lambda: seconds[0])
        report.view = SimpleNamespace(show=shown.append)
        for second in range(100):
            seconds[0] = float(second)
            report.in_flight = lambda: metrics.received()
            report.progress(progress)
            metrics.received_bytes.inc(MIB)
            if second == 29:
                assert capfd.readouterr().out == ""
    # What came of files that are not whole yet counts as well.
    assert shown[-1].size == 99 * MIB
    assert shown[-1].percent() == pytest.approx(100 * 99 / 1200)
    said = capfd.readouterr()
    (warning,) = checked_lines(said.out)
    assert checked_lines(event.read_bytes()) == [warning]
    assert warning["message_type"] == "warning"
    assert warning["at_risk"] == ["soon.tif"]
    # 120 of them come in two minutes.
    assert round(warning["bytes_at_risk"] / MIB) == 480
    assert round(warning["rate_bytes"]) == MIB
    assert round(warning["needed_rate"]) == 5 * MIB
    assert said.err == (
        "casfs: needs 5.2 MB/s, has 1.0 MB/s: 480.0 MiB cannot be fetched before they expire; "
        "this archive: soon.tif\n"
    )
