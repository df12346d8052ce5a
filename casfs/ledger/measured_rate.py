"""The rate at which outputs were fetched last, for plans: in the state directory, by account.

Whoever fetches many bytes records it; a rate that cannot be kept or read is only unknown.
"""

import hashlib
import json
import logging
import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from casfs.ledger.files import RATES, state_directory
from casfs.reasons import reason

log = logging.getLogger(__name__)

_VERSION = 1
LEAST_BYTES = 8 << 20
"""Bytes below which a transfer says nothing about the rate: it is mostly latency."""


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """A rate that was measured.

    Attributes:
        rate: bytes per second.
        measured: when, UTC.
    """

    rate: float
    measured: datetime


def record_rate(directory: Path | None, account: str, received: int, seconds: float) -> None:
    """Record at what rate outputs were received from the service; never raises.

    Bytes that came from the cache must not be counted. Transfers of less than `LEAST_BYTES` are
    ignored.

    Args:
        directory: the state directory, None if there is none.
        account: identifies the account, as `account_key` returns it.
        received: bytes.
        seconds: from the first request to the last byte.
    """
    if directory is None or received < LEAST_BYTES or seconds <= 0:
        return
    private = state_directory(directory)
    path = _path(private.path, account)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    facts = {
        "version": _VERSION,
        "rate": received / seconds,
        "measured": datetime.now(UTC).isoformat(),
    }
    try:
        private.make()
        private.make_below(path.parent)
        new.write_text(json.dumps(facts))
        new.chmod(0o600)
        new.replace(path)
    except OSError as error:
        log.warning(
            "the rate of this transfer is not remembered: cannot write %s: %s", path, reason(error)
        )
        _remove(new)


def recorded_rate(directory: Path | None, account: str) -> MeasuredRate | None:
    """Return the rate that was recorded last, None if none is known; never raises.

    Args:
        directory: the state directory, None if there is none.
        account: identifies the account, as `account_key` returns it.
    """
    if directory is None:
        return None
    private = state_directory(directory)
    path = _path(private.path, account)
    try:
        private.confirm()
        if not private.check_directory(path.parent):
            return None
        with open(private.open(path, os.O_RDONLY), encoding="utf-8") as file:
            facts = json.load(file)
        found = MeasuredRate(float(facts["rate"]), datetime.fromisoformat(facts["measured"]))
        usable = math.isfinite(found.rate) and found.rate > 0 and found.measured.tzinfo is not None
        if facts["version"] != _VERSION or not usable:
            raise ValueError("no such rate")
        return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, OverflowError, RecursionError, TypeError, KeyError) as error:
        log.info("cannot use %s: %s", path, reason(error))
        return None


def _path(directory: Path, account: str) -> Path:
    return directory / RATES / f"{hashlib.sha256(account.encode()).hexdigest()[:32]}.json"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.info("cannot remove %s: %s", path, reason(error))
