"""What progress and durations make of numbers that nobody expects."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from casfs.cli.durations import DurationType
from casfs.cli.standing import Standing, standing_text

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_a_rate_near_nothing_has_a_time_at_which_it_is_done():
    standing = Standing(phase="fetching", total=1 << 60, rate=1e-3, now=NOW)
    eta = standing.eta()
    assert eta is not None
    assert eta - NOW > timedelta(days=365)
    assert standing_text(standing).startswith("fetching: ")


@pytest.mark.parametrize("text", ["9999999999d", "9" * 400, "1d" + "9" * 400 + "s"])
def test_a_duration_that_no_date_can_have_is_refused(text):
    with pytest.raises(click.UsageError, match="is not a duration"):
        DurationType().convert(text, None, None)
    assert DurationType().convert("365d", None, None) == 365 * 86400
