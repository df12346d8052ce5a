"""The rate of the last transfer is remembered by account, and damage only makes it unknown."""

from datetime import UTC, datetime, timedelta

import pytest

from casfs.ledger.measured_rate import LEAST_BYTES, record_rate, recorded_rate

MIB = 1 << 20


def test_the_last_rate_of_an_account_is_known(tmp_path):
    state = tmp_path / "state"
    assert recorded_rate(state, "one") is None
    record_rate(state, "one", 50 * MIB, 10.0)
    record_rate(state, "one", 100 * MIB, 10.0)
    record_rate(state, "two", 10 * MIB, 10.0)
    found = recorded_rate(state, "one")
    assert found is not None
    assert found.rate == 10 * MIB
    assert datetime.now(UTC) - found.measured < timedelta(minutes=1)
    assert [path.stat().st_mode & 0o777 for path in (state / "rates").iterdir()] == [0o600] * 2


def test_a_transfer_that_says_nothing_is_not_remembered(tmp_path):
    record_rate(tmp_path / "state", "one", LEAST_BYTES - 1, 1.0)
    record_rate(tmp_path / "state", "one", LEAST_BYTES, 0.0)
    record_rate(None, "one", LEAST_BYTES, 1.0)
    assert recorded_rate(tmp_path / "state", "one") is None
    assert recorded_rate(None, "one") is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"version": 1, "rate": -1, "measured": "2026-01-01T00:00:00+00:00"}',
     '{"version": 1, "rate": NaN, "measured": "2026-01-01T00:00:00+00:00"}', "\xff",
     '{"version": 1, "rate": 1%s, "measured": "2026-01-01T00:00:00+00:00"}' % ("0" * 400),
     "[" * 100_000, '{"version": 1, "rate": 9, "measured": "2026-01-01T00:00:00"}'],
)  # fmt: skip
def test_a_damaged_record_is_no_record(tmp_path, text):
    record_rate(tmp_path / "state", "one", LEAST_BYTES, 1.0)
    (path,) = (tmp_path / "state" / "rates").iterdir()
    path.write_bytes(text.encode("latin-1"))
    assert recorded_rate(tmp_path / "state", "one") is None


def test_a_directory_that_cannot_be_written_is_no_failure(tmp_path, caplog):
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "rates").write_text("in the way")
    record_rate(tmp_path / "state", "one", LEAST_BYTES, 1.0)
    assert "not remembered" in caplog.text
    assert recorded_rate(tmp_path / "state", "one") is None
