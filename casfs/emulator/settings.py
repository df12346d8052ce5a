"""All switches of one emulator, as facts.

Where the public documentation of CAS leaves a question open, the answer is a switch here, so that a
client can be tried against every answer it may meet. The defaults follow the nearest public
relative: the CAS documentation and SDKs first, then Amazon Glacier 2012-06-01.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Keys:
    """The one key pair that the emulator knows.

    Attributes:
        key_id: the public half.
        secret: the private half; in no repr.
    """

    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class OpenQuestions:
    """One field for each question that the public sources leave open.

    Attributes:
        range_alignment: may a range of an output begin and end anywhere, or only at whole MiB?
        full_range: the status of an answer to a range that covers the whole output.
        range_past_end: the status for a range that begins behind the end.
        unfinished_output: the status for the output of a job that has not succeeded.
        expired_job: is an expired job gone, or still described (and its output refused)?
        hash_on_unaligned_job: does a range that is a subtree of the archive carry its hash even
            when the job's own range is not one?
        hash_on_inventory: does an inventory carry a tree hash of its bytes?
        callback_key: the name of the call-back field in a job.
        archive_job_parameters: is the inventory field of an archive job null or left out?
        limit_form: the form of the limit in an inventory job.
        marker: does a marker name the first item of the next list, or the last one of this list?
        throttling: how too many requests are refused.
        expired_signature: the status for a signature outside its time.
        clock_leeway: seconds that a signature may be used before its start.
    """

    range_alignment: Literal["any", "mib"] = "any"
    full_range: Literal["206", "200"] = "206"
    range_past_end: Literal["400", "416", "413"] = "400"
    unfinished_output: Literal["400", "404"] = "400"
    expired_job: Literal["gone", "described"] = "gone"
    hash_on_unaligned_job: Literal["absent", "present"] = "absent"
    hash_on_inventory: Literal["absent", "present"] = "absent"
    callback_key: Literal["both", "CallBackUrl", "JobCallBackUrl"] = "both"
    archive_job_parameters: Literal["null", "absent"] = "null"
    limit_form: Literal["number", "string"] = "number"
    marker: Literal["inclusive", "exclusive"] = "inclusive"
    throttling: Literal["400", "503", "reset"] = "400"
    expired_signature: Literal["400", "403"] = "400"
    clock_leeway: float = 900.0


@dataclass(frozen=True)
class Fault:
    """One way to go wrong, and how often.

    Attributes:
        name: one of `faults.NAMES`.
        probability: 0 to 1, drawn for each request that the fault can hit.
        output_only: leaves all calls but the output of a job alone.
    """

    name: str
    probability: float
    output_only: bool = False


@dataclass(frozen=True)
class Settings:
    """Everything one emulator is started with.

    Attributes:
        root: the folder of all state.
        keys: the key pair that requests must be signed with.
        account: the account number (APPID) that owns the key.
        region: the region in resource names.
        host: the address to listen on.
        port: the TCP port; 0 = a free one.
        job_seconds: from the start of a job to its end; 0 = at once.
        output_hours: from the end of a job to the end of its output.
        latency_ms: milliseconds before every answer.
        rate: bytes of output a second for each connection; None = as fast as it goes.
        stall_seconds: the longest that a stalled answer is kept open.
        faults: what goes wrong.
        fault_seed: equal seeds and equal requests meet equal faults.
        access_log: takes one JSON line an answer; None = no log.
        questions: the answers to what the documentation leaves open.
    """

    root: Path
    keys: Keys
    account: str = "1250000000"
    region: str = "ap-chengdu"
    host: str = "127.0.0.1"
    port: int = 0
    job_seconds: float = 0.0
    output_hours: float = 24.0
    latency_ms: float = 0.0
    rate: int | None = None
    stall_seconds: float = 600.0
    faults: tuple[Fault, ...] = ()
    fault_seed: int = 0
    access_log: Path | None = None
    questions: OpenQuestions = field(default_factory=OpenQuestions)
