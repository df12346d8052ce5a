"""What is asked of a service when a job is to be started, and what may come of it.

Initiate Job is idempotent with none of the services, is billed, and cannot be undone. So its
outcome is one of three: started, surely not accepted, or unknown; and what is unknown is settled
by a listing of jobs, never by sending the request again.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from casfs.deadline import Deadline

DESCRIPTION_LENGTH = 1024
"""Characters of a job's description at most, each from 0x20 to 0x7E (Amazon Glacier Developer
Guide, "Initiate Job"). Aliyun's own tool cuts at 128."""


class Tier(Enum):
    """How fast an archive is retrieved, and at what price."""

    EXPEDITED = "expedited"
    STANDARD = "standard"
    BULK = "bulk"

    @property
    def soonest(self) -> timedelta:
        """Return how long a retrieval takes at least."""
        return _TIMES[self][0]

    @property
    def latest(self) -> timedelta:
        """Return how long a retrieval takes at most, as a rule."""
        return _TIMES[self][1]

    @classmethod
    def named(cls, text: object) -> "Tier | None":
        """Return the tier that a service or a user means, None if it is none."""
        try:
            return cls(str(text).lower())
        except ValueError:
            return None

    @property
    def wire(self) -> str:
        """Return the tier as Amazon Glacier and Tencent CAS write it."""
        return self.value.capitalize()


_TIMES = {
    Tier.EXPEDITED: (timedelta(minutes=1), timedelta(minutes=5)),
    Tier.STANDARD: (timedelta(hours=3), timedelta(hours=5)),
    Tier.BULK: (timedelta(hours=5), timedelta(hours=12)),
}
"""Amazon Glacier Developer Guide, "Archive Retrieval Options"; Tencent CAS documentation, "Initiate
Job"."""
_LATEST = {tier.value: tier.latest for tier in Tier}
_LATEST_ELSE = timedelta(hours=5)
"""How long a job takes at most that tells no tier, such as one for an inventory."""


def latest(tier: object) -> timedelta:
    """Return how long a job takes at most, as a rule, with the slowest of the services.

    Args:
        tier: as a service or a user names it; whatever else says that there is none.
    """
    return _LATEST.get(str(tier).lower(), _LATEST_ELSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryQuery:
    """Which archives an inventory is to hold, and in what form.

    Attributes:
        format: "JSON" or "CSV"; None leaves it to the service, whose default is JSON.
        since: first creation date. Tencent CAS combines dates with no marker.
        until: last creation date: inclusive with Tencent CAS, exclusive with Amazon Glacier.
        limit: archives at most.
        marker: goes on behind an earlier inventory, which told it.
    """

    format: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job that is to be started.

    Attributes:
        vault: name of the vault.
        archive_id: which archive to retrieve; None for an inventory of the vault.
        byte_range: first and last byte of the archive, None for all of it. The first begins a MiB,
            the last ends one or the archive (all three services, "Initiate Job").
        tier: None leaves it to the service, whose default is Standard. Not for inventories.
        description: comes back with the job: at most `DESCRIPTION_LENGTH` printable characters of
            ASCII.
        inventory: for an inventory only.
        sns_topic: ARN of the topic that Amazon Glacier notifies of the job's end.
        call_back: URL that Tencent CAS posts the finished job to.

    Raises:
        ValueError: the description or the range cannot be sent.
    """

    vault: str
    archive_id: str | None = None
    byte_range: tuple[int, int] | None = None
    tier: Tier | None = None
    description: str = ""
    inventory: InventoryQuery = field(default_factory=InventoryQuery)
    sns_topic: str | None = None
    call_back: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no service takes."""
        text = self.description
        if len(text) > DESCRIPTION_LENGTH or not all(" " <= letter <= "~" for letter in text):
            raise ValueError("a job's description has up to 1024 printable characters of ASCII")
        if self.byte_range is not None and not 0 <= self.byte_range[0] <= self.byte_range[1]:
            raise ValueError(f"{self.byte_range} is not a range of bytes")


class Refusal(Enum):
    """Why a request was surely not accepted; nothing was started, and nothing is to be paid."""

    POLICY = "policy"
    """The account's data retrieval policy: wait until jobs have ended, or until tomorrow."""
    CAPACITY = "capacity"
    """There is no capacity for Expedited now; another tier is the user's choice."""
    THROTTLED = "throttled"
    """Too many requests: send fewer."""
    LIMIT = "limit"
    """A limit of the service or of the account: stop, for this archive."""
    INVALID = "invalid"
    """The service rejects the request, and would reject it again."""
    ARCHIVE_GONE = "archive gone"
    """There is no such archive."""
    VAULT_GONE = "vault gone"
    """There is no such vault."""
    NO_INVENTORY = "no inventory"
    """The service has not made an inventory of the vault yet: the first one takes a day."""
    DENIED = "denied"
    """The service rejects the key, or the key is not allowed to do this."""
    NOT_SENT = "not sent"
    """No connection was made (name, network, TLS, proxy), so that nothing was sent."""


@dataclass(frozen=True, slots=True)
class Started:
    """The service started a job."""

    job_id: str


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """The service surely started no job.

    Attributes:
        why: what to make of it.
        code: the service's code, "" if no answer came.
        message: one line for a user: what happened, to what, and what to do. Holds no secret.
        retry_after: seconds after which it may be sent again, as far as the service says so; 0 for
            `DENIED` if another key has been found in the meantime.
    """

    why: Refusal
    code: str
    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request was sent, and nobody knows whether it was accepted; only a listing will tell.

    Attributes:
        reason: one line for a user. Holds no secret.
    """

    reason: str


Outcome = Started | NotAccepted | Unknown
"""What one request came to."""


class PolicyKind(Enum):
    """How an account limits what is retrieved in the Standard tier (Amazon Glacier only)."""

    NONE = "none"
    FREE_TIER = "free tier"
    BYTES_PER_HOUR = "bytes per hour"


@dataclass(frozen=True, slots=True)
class RetrievalPolicy:
    """The data retrieval policy of an account in a region.

    Attributes:
        bytes_per_hour: bytes that may be retrieved in an hour, None if that is not the limit.
    """

    kind: PolicyKind
    bytes_per_hour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFeatures:
    """What a service's jobs know; a request for anything else is refused before it is sent.

    Attributes:
        tiers: those that there are; where there is one speed only, that counts as Standard.
        one_speed: how long a job takes at most, as a rule, where there are no tiers; else None.
        expedited_limit: bytes beyond which Expedited refuses an archive, None if it does not.
        sns_topic: a job notifies a topic of Amazon SNS.
        call_back: a job calls a URL.
        inventory_query: an inventory may be limited by dates and number, and continued.
        inventory_csv: an inventory may be had as CSV.
        policy: there is a data retrieval policy.
    """

    tiers: tuple[Tier, ...]
    one_speed: timedelta | None = None
    expedited_limit: int | None = None
    sns_topic: bool = False
    call_back: bool = False
    inventory_query: bool = False
    inventory_csv: bool = False
    policy: bool = False

    def latest(self, tier: object) -> timedelta:
        """Return how long a job takes at most, as a rule; `tier` as in `latest`."""
        return latest(tier) if self.one_speed is None else self.one_speed


class JobStarter(Protocol):
    """The calls with which jobs are started; `casfs.service.service.Service` has them."""

    @property
    def job_features(self) -> JobFeatures:
        """Return what the service's jobs know."""
        ...

    def start_job(self, request: JobRequest, deadline: Deadline) -> Outcome:
        """Send a request for a job, once, and return what came of it.

        Raises:
            RequestError: the service has no such job (see `JobFeatures`); nothing was sent.
            ConfigError: the proxy or the certificates of the environment cannot be used; nothing
                was sent.
        """
        ...

    def retrieval_policy(self, deadline: Deadline) -> RetrievalPolicy | None:
        """Return the account's data retrieval policy.

        Returns:
            None if the service has none, or does not tell this key.

        Raises:
            CasfsError: it does not answer.
        """
        ...
