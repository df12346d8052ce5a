"""All switches of one emulator, as facts.

Where the public documentation of a service leaves a question open, the answer is a switch, so that
a client can be tried against every answer it may meet.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from casfs.emulator.engine.rules import Rules


@dataclass(frozen=True)
class Keys:
    """The one key pair that the emulator knows.

    Attributes:
        key_id: the public half.
        secret: the private half; in no repr.
        token: of the session that temporary keys belong to, for services that have such; in no
            repr.
    """

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def question(default: str, text: str) -> Any:
    """Return the field of a question with its first answer and the help for its switch."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class OpenQuestions:
    """One field for each question that the public sources of a service leave open.

    A dialect adds its own questions in a class of its own, and its defaults where they are others.
    """

    range_alignment: Literal["any", "mib", "strict"] = question(
        "any", "Where a range of an output may begin and end; strict also wants both ends."
    )
    output_without_range: Literal["200", "206"] = question(
        "200", "Status for the output of an archive that is read without a range."
    )
    full_range: Literal["206", "200"] = question(
        "206", "Status for a range that covers the whole output."
    )
    content_range: Literal["blank", "equals"] = question(
        "blank", "What follows `bytes` in Content-Range."
    )
    range_past_end: Literal["400", "416", "413"] = question(
        "400", "Status for a range that begins behind the end."
    )
    malformed_range: Literal["refused", "ignored"] = question(
        "refused", "Whether a Range that cannot be read is refused or answered with everything."
    )
    unfinished_output: Literal["400", "404"] = question(
        "400", "Status for the output of a job that has not succeeded."
    )
    expired_job: Literal["gone", "described"] = question(
        "gone", "Whether an expired job is gone or still described, without output."
    )
    hash_on_unaligned_job: Literal["absent", "present"] = question(
        "absent", "Tree hash on subtree ranges of a job that is no subtree itself."
    )
    hash_on_unaligned_range: Literal["absent", "present"] = question(
        "absent", "Tree hash on ranges of whole MiB that are no subtree of the archive."
    )
    hash_on_inventory: Literal["absent", "present"] = question(
        "absent", "Tree hash on inventories."
    )
    marker: Literal["inclusive", "exclusive"] = question(
        "inclusive", "Whether a marker names the next item or the last one seen."
    )
    throttling: Literal["400", "502", "503", "reset"] = question(
        "400", "How the fault `throttle` refuses a request."
    )
    clock_leeway: float = 900.0
    """Seconds that a signature may be used before its start."""


@dataclass(frozen=True)
class VaultFormQuestions(OpenQuestions):
    """The questions of services whose vaults and jobs `vault_form` writes."""

    hash_of_running_job: Literal["present", "absent"] = question(
        "present", "Tree hash in the description of a job for a whole archive while it runs."
    )
    archive_job_parameters: Literal["null", "absent"] = question(
        "null", "InventoryRetrievalParameters in jobs without inventory."
    )
    limit_form: Literal["number", "string"] = question(
        "number", "Form of Limit in an inventory job."
    )


@dataclass(frozen=True)
class Fault:
    """One way to go wrong, and how often.

    Attributes:
        name: one of `faults.NAMES`.
        probability: 0 to 1, drawn for each request that the fault can hit.
        output_only: leaves all calls but the output of a job alone.
        times: how often it can hit one and the same request, None = without end.
    """

    name: str
    probability: float
    output_only: bool = False
    times: int | None = None


@dataclass(frozen=True)
class Settings:
    """Everything one emulator is started with.

    Attributes:
        root: the folder of all state.
        keys: the key pair that requests must be signed with.
        rules: what the service fixes.
        account: the account number that owns the key.
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
    rules: Rules
    account: str
    region: str
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
