"""The settings of one emulator.

Where the public documentation of a service leaves a question open, the answer is an option, so
that a client can be tested against every answer it may meet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from casfs.emulator.rules import Rules


@dataclass(frozen=True)
class Keys:
    """The one key pair that the emulator knows.

    Attributes:
        key_id: the public half.
        secret: the private half; never in a repr.
        token: the session token, if the keys are temporary; never in a repr.
    """

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def question(default: str, text: str) -> Any:
    """Return the dataclass field of a question: its default answer and the help of its option."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class OpenQuestions:
    """One field per question that the public sources of a service leave open.

    Each dialect has a subclass with its own questions and defaults.
    """

    range_alignment: Literal["any", "mib", "strict"] = question(
        "any", "Where a range of an output may start and end; `strict` also requires both ends."
    )
    output_without_range: Literal["200", "206"] = question(
        "200", "Status when the output of an archive is read without a range."
    )
    full_range: Literal["206", "200"] = question(
        "206", "Status when a range covers the whole output."
    )
    content_range: Literal["blank", "equals"] = question(
        "blank", "What follows `bytes` in Content-Range."
    )
    range_past_end: Literal["400", "416", "413"] = question(
        "400", "Status when a range starts past the end."
    )
    malformed_range: Literal["refused", "ignored"] = question(
        "refused", "Whether a malformed Range is refused or answered with the whole output."
    )
    unfinished_output: Literal["400", "404"] = question(
        "400", "Status when the job of an output has not succeeded."
    )
    expired_job: Literal["gone", "described"] = question(
        "gone", "Whether an expired job disappears or is still described, without its output."
    )
    hash_on_unaligned_job: Literal["absent", "present"] = question(
        "absent", "Tree hash of subtree ranges when the job itself is not a subtree."
    )
    hash_on_unaligned_range: Literal["absent", "present"] = question(
        "absent", "Tree hash of ranges of whole MiB that are not a subtree of the archive."
    )
    hash_on_inventory: Literal["absent", "present"] = question(
        "absent", "Tree hash of inventories."
    )
    marker: Literal["inclusive", "exclusive"] = question(
        "inclusive", "Whether a marker names the next item or the last one seen."
    )
    throttling: Literal["400", "502", "503", "reset"] = question(
        "400", "How the fault `throttle` refuses a request."
    )
    clock_leeway: float = 900.0
    """Seconds by which the time of a signature may be off."""


@dataclass(frozen=True)
class VaultFormQuestions(OpenQuestions):
    """The questions of services whose vaults and jobs `api.json_form` writes."""

    hash_of_running_job: Literal["present", "absent"] = question(
        "present", "Tree hash in the description of a running job for a whole archive."
    )
    archive_job_parameters: Literal["null", "absent"] = question(
        "null", "InventoryRetrievalParameters in jobs that are not inventories."
    )
    limit_form: Literal["number", "string"] = question(
        "number", "Form of Limit in an inventory job."
    )
    expedited_over_limit: Literal["slow", "refused"] = question(
        "refused",
        "Whether an Expedited job for an archive over the limit is refused, or takes as long as a "
        "Standard job.",
    )
    capacity_status: Literal["503", "400"] = question(
        "503", "Status when there is no capacity for Expedited."
    )


@dataclass(frozen=True)
class Fault:
    """A fault to inject, and how often.

    Attributes:
        name: one of `http.faults.NAMES`.
        probability: from 0 to 1, drawn for each request that the fault can affect.
        output_only: whether it affects only requests for the output of a job.
        times: how often it may affect identical requests; None = any number of times.
        post_only: whether it affects only requests that start a job.
    """

    name: str
    probability: float
    output_only: bool = False
    times: int | None = None
    post_only: bool = False


Strategy = Literal["None", "FreeTier", "BytesPerHour"]
"""Kinds of data retrieval policies (Amazon Glacier, Set Data Retrieval Policy)."""


@dataclass(frozen=True)
class Policy:
    """A data retrieval policy: how much Standard jobs may retrieve.

    Attributes:
        strategy: its kind.
        amount: bytes a day for FreeTier, bytes that may be retrieved at a time for BytesPerHour.
    """

    strategy: Strategy = "None"
    amount: int | None = None


@dataclass(frozen=True)
class Settings:
    """The settings that an emulator is started with.

    Attributes:
        root: the directory of all state.
        keys: the key pair that requests must be signed with.
        rules: the fixed rules of the service.
        account: the account number that owns the key.
        region: the region in resource names.
        host: the address to listen on.
        port: the TCP port; 0 = a free one.
        job_seconds: how long a job runs; 0 = it finishes at once.
        tier_seconds: how long a job of a tier runs, by `expedited`, `standard` and `bulk`, and one
            for an inventory, by `inventory`; what is missing runs for `job_seconds`.
        policy: data retrieval policy to begin with; None = the one that was set last.
        expedited_capacity: Expedited jobs that may run at a time; None = any number.
        fail_jobs: probability that a job fails when it completes.
        listing_lag: seconds after which a list of jobs shows a new one.
        job_rate: jobs that may be requested in a second; None = any number.
        output_hours: how long the output of a finished job is available.
        latency_ms: delay in milliseconds before every answer.
        rate: bytes of output per second on each connection; None = unlimited.
        stall_seconds: how long a stalled answer is kept open.
        faults: the faults to inject.
        fault_seed: the same seed and the same requests get the same faults.
        access_log: file for one line of JSON per answer; None = no log.
        questions: the answers to the open questions.
    """

    root: Path
    keys: Keys
    rules: Rules
    account: str
    region: str
    host: str = "127.0.0.1"
    port: int = 0
    job_seconds: float = 0.0
    tier_seconds: Mapping[str, float] = field(default_factory=dict)
    policy: Policy | None = None
    expedited_capacity: int | None = None
    fail_jobs: float = 0.0
    listing_lag: float = 0.0
    job_rate: float | None = None
    output_hours: float = 24.0
    latency_ms: float = 0.0
    rate: int | None = None
    stall_seconds: float = 600.0
    faults: tuple[Fault, ...] = ()
    fault_seed: int = 0
    access_log: Path | None = None
    questions: OpenQuestions = field(default_factory=OpenQuestions)
