"""Watches what can be read, until when, and what cannot be fetched before it expires.

A look costs a few queries for each readable output, so it takes a share of the time only, and the
time between two of them is a multiple of what the last one took.

Lock order: the one lock guards the last report and is innermost.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from casfs.at_risk import Due, Outlook, outlook
from casfs.errors import CasfsError, ThreadError
from casfs.metrics import Metrics
from casfs.reasons import reason
from casfs.threads import start_thread
from casfs.throughput import RateWindow
from casfs.tree.fetchable import FetchableOutput, FetchableOutputs
from casfs.tree.time_share import TimeShare

log = logging.getLogger(__name__)

_SECONDS = 60.0
"""Between two looks, if they are cheap."""
_FIRST_SECONDS = 5.0
"""Before the first look: a mount that has just begun has more urgent work."""
_PART = 2
"""A look, with its pauses, may take one of so many seconds."""
_LEAST = 8 << 20
"""Bytes in the window below which it says nothing about the rate: it is mostly latency."""


@dataclass(frozen=True, slots=True)
class VaultExpiry:
    """What of one vault can be read, and until when.

    Attributes:
        vault: name of the vault.
        outputs: how many can be read.
        size: their bytes.
        cached: those of them that are in the cache.
        soonest_expiry: of what is not fully cached, UTC.
        outlook: what becomes of it at the rate of the last ten minutes; None if that is unknown.
        late: what cannot be fetched in time.
    """

    vault: str
    outputs: int
    size: int
    cached: int
    soonest_expiry: datetime | None
    outlook: Outlook | None
    late: tuple[FetchableOutput, ...] = ()

    @property
    def at_risk(self) -> int | None:
        """Return the bytes that cannot be fetched in time, None if that is unknown."""
        return self.outlook.bytes_at_risk if self.outlook else None


@dataclass(frozen=True, slots=True)
class ExpiryReport:
    """What all known vaults have.

    Attributes:
        time: when it was made, UTC.
        rate: bytes a second of the last ten minutes in which something came; None if unknown.
        vaults: what each of them has.
    """

    time: datetime
    rate: float | None
    vaults: tuple[VaultExpiry, ...]


class ExpiryWatch:
    """Looks now and then, warns once of what is at risk, and sets the gauges of the metrics.

    Args:
        vaults: returns the names of the known vaults, without asking.
        fetchable: knows their outputs.
        now: returns the time by the service's clock, UTC, None if that is unknown.
        metrics: counts what comes, and shows what was found.

    Attributes:
        on_risk: is told of a vault of which more is at risk than before, and of the rate.
    """

    def __init__(
        self,
        vaults: Callable[[], list[str]],
        fetchable: FetchableOutputs,
        now: Callable[[], datetime | None],
        metrics: Metrics,
    ) -> None:
        self._vaults = vaults
        self._fetchable = fetchable
        self._now = now
        self._metrics = metrics
        self._rates = RateWindow()
        self._rate: float | None = None
        self._warned: dict[str, int] = {}
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._last: ExpiryReport | None = None
        self.on_risk: Callable[[VaultExpiry, float], None] | None = None

    def start(self, on_risk: Callable[[VaultExpiry, float], None] | None = None) -> None:
        """Look from time to time, in a thread of its own, which also calls `on_risk`."""
        self.on_risk = on_risk
        try:
            start_thread("expiry", self._run)
        except ThreadError as error:
            log.warning("cannot warn of outputs that expire: %s", error)

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def last(self) -> ExpiryReport | None:
        """Return what the last look found, None before the first one."""
        with self._lock:
            return self._last

    def status_facts(self) -> Mapping[str, object]:
        """Return what the last look found of all vaults together; None is not known yet."""
        report = self.last()
        vaults = report.vaults if report is not None else None
        expiries = [one.soonest_expiry for one in vaults or () if one.soonest_expiry]
        risks = [one.at_risk for one in vaults or () if one.at_risk is not None]
        return {
            "readable_outputs": None if vaults is None else sum(one.outputs for one in vaults),
            "readable_bytes": None if vaults is None else sum(one.size for one in vaults),
            "cached_bytes": None if vaults is None else sum(one.cached for one in vaults),
            "soonest_expiry": min(expiries).isoformat() if expiries else None,
            "bytes_at_risk": sum(risks) if risks else None,
        }

    def look(self) -> ExpiryReport:
        """Look at all known vaults.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        self._measure()
        now = self._now() or datetime.now(UTC)
        found = tuple(self._vault(name, now) for name in self._vaults())
        report = ExpiryReport(datetime.now(UTC), self._rate, found)
        with self._lock:
            self._last = report
        for one in found:
            self._metrics.show_expiry(one.vault, one.soonest_expiry, one.at_risk)
            if self._rate is not None:
                self._warn(one, self._rate)
        return report

    def _run(self) -> None:
        pause, postponed = _FIRST_SECONDS, 0.0
        while not self._closed.wait(pause):
            if self._fetchable.is_listing and postponed < _SECONDS:
                # A look would slow the listing, which changes what it finds.
                pause = _FIRST_SECONDS
                postponed += pause
                continue
            begun, postponed = time.monotonic(), 0.0
            try:
                self.look()
            except (CasfsError, OSError) as error:
                log.info("cannot look for what expires: %s", reason(error))
            except Exception:
                log.exception("looking for what expires hit a bug; please report it")
            pause = max(_SECONDS, _PART * (time.monotonic() - begun))

    def _measure(self) -> None:
        """Keep the rate of the last ten minutes, or the last one that was known."""
        self._rates.note(self._metrics.received())
        rate = self._rates.rate()
        if rate and rate * self._rates.span() >= _LEAST:
            self._rate = rate

    def _vault(self, name: str, now: datetime) -> VaultExpiry:
        outputs = size = missing = 0
        left: list[FetchableOutput] = []
        share = TimeShare(self._closed.wait)
        for one in self._fetchable.all(name, ask=False, step=share.step):
            if self._closed.is_set():
                break
            share.step()
            outputs, size, missing = outputs + 1, size + one.size, missing + one.missing
            if one.missing and (one.expires is None or one.expires > now):
                left.append(one)
        # A long look takes minutes.
        now = self._now() or now
        soonest = min((one.expires for one in left if one.expires), default=None)
        found = None
        if self._rate is not None:
            found = outlook((Due(one.expires, one.missing) for one in left), self._rate, now)
        late = tuple(left[index] for index in found.late) if found else ()
        return VaultExpiry(name, outputs, size, size - missing, soonest, found, late)

    def _warn(self, one: VaultExpiry, rate: float) -> None:
        """Warn of what is at risk, and again only when it has become much more."""
        at_risk = one.at_risk or 0
        if at_risk <= 2 * self._warned.get(one.vault, 0):
            if not at_risk:
                self._warned.pop(one.vault, None)
            return
        self._warned[one.vault] = at_risk
        log.warning(
            "at %.1f MB/s, the rate of the last minutes, %d bytes of %d outputs of vault %s cannot "
            "be fetched before they expire; casfs fetch starts with those that expire first",
            rate / 1e6,
            at_risk,
            len(one.late),
            one.vault,
        )
        if self.on_risk is not None:
            self.on_risk(one, rate)
