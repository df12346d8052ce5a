"""Counters of what a mount did, and where its bytes came from."""

import contextlib
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """The counters of one client.

    Bytes are counted as they pass, blocks when they are complete. `as_dict` is for
    `.casfs/status.json`, `as_text` (in Prometheus format) for `.casfs/metrics`.

    Attributes:
        last_answer: when the service last answered, UTC; None if it never did.
        last_failure: when an attempt to ask it last failed.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.last_answer: datetime | None = None
        self.last_failure: datetime | None = None
        self.requests = self._counter("requests", "Answers from the service", "call")
        self.failures = self._counter("failures", "Attempts that failed", "reason")
        self.received_bytes = self._counter("received_bytes", "Bytes of outputs that were received")
        self.read_bytes = self._counter("read_bytes", "Bytes that readers got")
        self.blocks = self._counter("blocks", "Blocks that readers got", "source")
        self.unchecked_blocks = self._counter(
            "unchecked_blocks", "Blocks received without a tree hash of their own"
        )
        self.rotten_blocks = self._counter(
            "rotten_blocks", "Blocks on disk that were corrupt and were fetched again"
        )
        self.unsaved_blocks = self._counter(
            "unsaved_blocks",
            "Blocks not written to the disk cache because it was full, slow or failing",
        )
        self.evicted_blocks = self._counter(
            "evicted_blocks", "Blocks evicted from the disk cache to stay within its size"
        )
        self.stale_listings = self._counter(
            "stale_listings", "Stale listings served because the service did not answer"
        )

        self._soonest_expiry = self._gauge(
            "soonest_expiry_timestamp_seconds", "When the first output that is not cached expires"
        )
        self._at_risk = self._gauge(
            "bytes_at_risk", "Bytes that cannot be fetched before they expire, at the present rate"
        )

    def show_expiry(self, vault: str, soonest: datetime | None, at_risk: int | None) -> None:
        """Show when the first output of a vault expires, and the bytes at risk; None is unknown."""
        for gauge, value in (
            (self._soonest_expiry, soonest.timestamp() if soonest else None),
            (self._at_risk, at_risk),
        ):
            if value is None:
                with contextlib.suppress(KeyError):
                    gauge.remove(vault)
            else:
                gauge.labels(vault).set(value)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"casfs_{name}", text, ["vault"], registry=self._registry)

    def count_answer(self, call: str) -> None:
        """Count an answer from the service."""
        self.requests.labels(call).inc()
        self.last_answer = datetime.now(UTC)

    def count_failure(self, kind: str) -> None:
        """Count an attempt that failed."""
        self.failures.labels(kind).inc()
        self.last_failure = datetime.now(UTC)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"casfs_{name}", text, labels, registry=self._registry)

    def received(self) -> int:
        """Return the bytes of outputs that were received."""
        (family,) = self.received_bytes.collect()
        return int(sum(one.value for one in family.samples if one.name.endswith("_total")))

    def as_dict(self) -> dict[str, int | dict[str, int]]:
        """Return each counter by name; one with labels is a dictionary of values by label."""
        result: dict[str, int | dict[str, int]] = {}
        for family in self._registry.collect():
            if family.type != "counter":
                continue
            samples = [sample for sample in family.samples if sample.name.endswith("_total")]
            name = family.name.removeprefix("casfs_")
            if any(sample.labels for sample in samples):
                result[name] = {
                    label: int(sample.value)
                    for sample in samples
                    for label in sample.labels.values()
                }
            else:
                result[name] = int(sum(sample.value for sample in samples))
        return result

    def as_text(self) -> bytes:
        """Return all counters in the Prometheus text format."""
        return generate_latest(self._registry)
