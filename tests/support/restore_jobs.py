"""Jobs for one archive, as a service lists them at one moment."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from casfs.model import Job, JobKind, JobState

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def made_job(
    state=JobState.RUNNING, *, name="job-1", archive="one", first=0, size=100, whole=100, token="",
    age=timedelta(minutes=1), left=timedelta(hours=20), reason="",
) -> Job:  # fmt: skip
    raw: dict[str, Any] = {"JobId": name, "Tier": "Standard", "StatusMessage": reason}
    done = NOW - timedelta(hours=24) + left if state is not JobState.RUNNING else None
    return Job(
        "photos", name, JobKind.ARCHIVE, state, NOW - age, done, token, archive, whole, first, size,
        None, json.dumps(raw),
    )  # fmt: skip
