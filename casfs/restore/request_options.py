"""What a user wants of `casfs request`."""

import hashlib
import json
import re
from dataclasses import dataclass

from casfs.errors import ConfigError
from casfs.job_requests import JobFeatures, Tier
from casfs.ranges import BLOCK_SIZE
from casfs.restore.amounts import Cap
from casfs.settings import parse_size

_PACE = re.compile(r"(.+)/\s*(h|hour|s|min|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "hour": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast outputs will be fetched.

    Attributes:
        rate: bytes per second, None for the rate of the last fetch.
    """

    rate: float | None

    @classmethod
    def parse(cls, text: str) -> "Pace":
        """Return the pace that a text such as `200GiB/h` or `auto` means.

        Raises:
            ConfigError: it is neither.
        """
        if text.strip().lower() == "auto":
            return cls(None)
        match = _PACE.fullmatch(text.strip())
        size = parse_size(match[1], "--pace") if match else 0
        if not match or not size:
            raise ConfigError(f"--pace must be a size per hour such as 200GiB/h, not {text!r}")
        return cls(size / _SECONDS[match[2]])


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user wants.

    Attributes:
        vault: name of the vault.
        patterns: paths, ids and patterns of archives.
        ids: ids of archives, None if none were given.
        everything: all archives of the vault.
        tier: at which they are requested.
        byte_range: first and last byte, None for all.
        split: most bytes of a job, None for no limit.
        order: in which they are requested: `created`, `size` or `name`.
        max_cost: most that the restore may cost.
        max_bytes: most that it may bring.
        pace: how fast outputs will be fetched; None = all may be requested at once.
        rerequest: whether to request again what failed or expired: `ask`, `never` or `yes`.
        sns_topic: ARN of a topic to be notified.
        call_back: URL to be called.
        identity: what identifies the restore, which then also says what is wanted; None for what
            these options say.
    """

    vault: str
    patterns: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    everything: bool = False
    tier: Tier = Tier.STANDARD
    byte_range: tuple[int, int] | None = None
    split: int | None = None
    order: str = "created"
    max_cost: Cap | None = None
    max_bytes: int | None = None
    pace: Pace | None = None
    rerequest: str = "ask"
    sns_topic: str | None = None
    call_back: str | None = None
    identity: str | None = None

    @property
    def selection(self) -> str:
        """Return what identifies a restore: what is wanted, not how, and not at what price."""
        if self.identity is not None:
            return self.identity
        ids = None
        if self.ids is not None:
            ids = hashlib.sha256("\n".join(sorted(set(self.ids))).encode()).hexdigest()
        what = [sorted(set(self.patterns)), ids, self.everything, self.byte_range, self.split]
        return json.dumps(what)

    def check(self, features: JobFeatures) -> None:
        """Check that there is something to request, and that the service's jobs know all of it.

        Raises:
            ConfigError: they do not.
        """
        named = self.identity is not None
        ways = [bool(self.patterns), self.ids is not None, self.everything, named]
        if sum(ways) != 1:
            raise ConfigError("give patterns, or --ids FILE, or --all: one of them")
        if self.tier not in features.tiers:
            tiers = " or ".join(tier.value for tier in features.tiers)
            raise ConfigError(f"the service has no tier {self.tier.value}; use --tier {tiers}")
        if self.byte_range is not None and self.split is not None:
            raise ConfigError("--range and --split exclude each other")
        if self.split is not None and self.split < BLOCK_SIZE:
            raise ConfigError("--split must be at least 1MiB")
        check_notices(self.sns_topic, self.call_back, features)


def check_notices(sns_topic: str | None, call_back: str | None, features: JobFeatures) -> None:
    """Check that the service can notify in the way that is wanted.

    Raises:
        ConfigError: it cannot.
    """
    if sns_topic is not None and not features.sns_topic:
        raise ConfigError("the service notifies no SNS topic; leave out --sns-topic")
    if call_back is not None and not features.call_back:
        raise ConfigError("the service calls no URL; leave out --callback")
