"""What expires before it can be fetched: gauges, one warning, and the facts for others."""

import dataclasses
import time

import pytest

from casfs.cli.risk_event import risk_command
from casfs.client import Client
from casfs.config import load
from tests.support.emulated_service import VAULT, serving
from tests.support.schemas import checked_lines

DAY = 24 * 3600
MIB = 1 << 20


@pytest.fixture
def service(tmp_path):
    with serving("cas", tmp_path / "service", {"read": 9 * MIB, "left": 40 * MIB}) as running:
        yield running


def test_what_is_at_risk_is_counted_told_once_and_shown(service, tmp_path, caplog):
    flags = {
        "bwlimit": "4M",
        "cache_dir": str(tmp_path / "cache"),
        "state_dir": str(tmp_path / "state"),
    }
    environment = {**service.settings, "CASFS_CONFIG": str(tmp_path / "none.toml")}
    (tmp_path / "none.toml").touch()
    config = dataclasses.replace(load(None, flags, environment, tmp_path), listing_ttl=0.0)
    told = []
    event = tmp_path / "event"
    run = risk_command(f"cat > {event}")

    def tell(one, rate):
        told.append((one.vault, one.at_risk, rate))
        run(one, rate)

    with Client(config) as client:
        client.vaults()
        client.ask(VAULT)
        watch = client.expiry_watch
        watch.on_risk = tell
        # Nothing was read yet: no rate is known, and nothing is said to be at risk.
        (one,) = watch.look().vaults
        assert (one.outputs, one.size, one.cached) == (2, 49 * MIB, 0)
        assert (one.at_risk, told) == (None, [])
        metrics = client.metrics.as_text().decode()
        assert f'casfs_soonest_expiry_timestamp_seconds{{vault="{VAULT}"}}' in metrics
        assert f'casfs_bytes_at_risk{{vault="{VAULT}"}}' not in metrics

        file = client.open(client.job_file(VAULT, service.jobs["read"], "output"))
        for offset in range(0, file.size, MIB):
            file.pread(MIB, offset)
        file.close()
        report = watch.look()
        (one,) = report.vaults
        assert report.rate is not None
        assert (one.at_risk, told) == (0, [])
        assert one.cached

        # Now the rest, of ten seconds at this rate, expires before it can come.
        service.change_job(service.jobs["left"], completed=time.time() - DAY + 6)
        client.ask(VAULT)
        with caplog.at_level("WARNING"):
            risky, _ = (watch.look().vaults[0] for _ in range(2))
        assert risky.at_risk is not None
        assert risky.at_risk > 0
        assert [late.job or late.archive for late in risky.late] == [service.archives["left"]]
        assert [vault for vault, _, _ in told] == [VAULT]
        (said,) = checked_lines(event.read_bytes())
        assert (said["message_type"], said["vault"]) == ("warning", VAULT)
        assert said["at_risk"] == [service.archives["left"]]
        assert "cannot be fetched before they expire" in said["message"]
        warnings = [record for record in caplog.messages if "before they expire" in record]
        assert len(warnings) == 1
        assert f'casfs_bytes_at_risk{{vault="{VAULT}"}}' in client.metrics.as_text().decode()
        # The counters of status.json have no gauge among them.
        assert "bytes_at_risk" not in client.metrics.as_dict()
        assert watch.last() is not None
