"""Parses the body of Initiate Job into a job, as far as services agree on it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from casfs.emulator.api.request_fields import is_utf8
from casfs.emulator.api.wire import ByteRange
from casfs.emulator.engine.errors import BadValueError, MissingValueError
from casfs.emulator.engine.records import Job, Kind

_TIERS = ("Expedited", "Standard", "Bulk")


@dataclass(frozen=True)
class JobType:
    """A value of Type: the engine's kind of job, and the fields that it requires."""

    kind: Kind
    needed: Sequence[str] = ()


@dataclass(frozen=True)
class JobWords:
    """The names that a service uses in the body of Initiate Job.

    Attributes:
        types: kinds of jobs by the value of Type.
        callback: the field for the URL to notify; None = there is none.
        inventory_limit: the largest Limit of an inventory; None = unlimited.
        date: parses StartDate and EndDate, or raises ValueError.
    """

    types: Mapping[str, JobType]
    callback: str | None
    inventory_limit: int | None
    date: Callable[[str], float]


def wanted_job(fields: Mapping[str, object], words: JobWords) -> tuple[Job, ByteRange | None]:
    """Return the requested job, without id, vault and times, and its byte range.

    Args:
        fields: the JSON object of the request.
        words: the names that the service uses.

    Returns:
        The job, and the first and last byte to retrieve (None = all of it; a last of None = to the
        end, which the official command line tool of CAS sends as `start-`).

    Raises:
        MissingValueError: a field is missing.
        BadValueError: a field has a bad value.
    """
    if fields.get("Type") is None:
        raise MissingValueError("Type is missing")
    job_type = words.types.get(text(fields, "Type") or "")
    if job_type is None:
        raise BadValueError(f"Invalid Type: {fields.get('Type')}")
    for name in job_type.needed:
        if not fields.get(name):
            raise MissingValueError(f"{name} is missing")
    is_about_archive = "ArchiveId" in job_type.needed
    job = Job(
        id="",
        vault="",
        kind=job_type.kind,
        created=0.0,
        completed=0.0,
        archive=text(fields, "ArchiveId") if is_about_archive else None,
        # The official Node.js demo of CAS sends a tier with inventory jobs, which have none.
        tier=_tier(fields) if is_about_archive else None,
        description=text(fields, "Description") or "",
        callback=None if words.callback is None else text(fields, words.callback),
    )
    if job.kind == "inventory":
        return _inventory(job, fields, words), None
    return job, _byte_range(text(fields, "RetrievalByteRange")) if is_about_archive else None


def _inventory(job: Job, fields: Mapping[str, object], words: JobWords) -> Job:
    form = (text(fields, "Format") or "JSON").upper()
    if form not in {"JSON", "CSV"}:
        raise BadValueError(f"Invalid Format: {form}")
    parameters = fields.get("InventoryRetrievalParameters") or {}
    if not isinstance(parameters, dict):
        raise BadValueError("InventoryRetrievalParameters must be an object")
    return replace(
        job,
        format=form,
        start=_date(parameters, "StartDate", words),
        end=_date(parameters, "EndDate", words),
        item_limit=_limit(parameters, words.inventory_limit),
        marker=text(parameters, "Marker"),
    )


def text(fields: Mapping[str, object], name: str) -> str | None:
    """Return the text of a field; None if it is missing or empty.

    Raises:
        BadValueError: it is not text.
    """
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not is_utf8(value):
        raise BadValueError(f"{name} must be a string of UTF-8")
    return value


def _tier(fields: Mapping[str, object]) -> str:
    tier = text(fields, "Tier") or "Standard"
    if tier not in _TIERS:
        raise BadValueError(f"Invalid Tier: {tier}")
    return tier


def _date(fields: Mapping[str, object], name: str, words: JobWords) -> float | None:
    written = text(fields, name)
    if written is None:
        return None
    try:
        return words.date(written)
    except ValueError as error:
        raise BadValueError(f"Invalid {name}: {written}") from error


def _limit(fields: Mapping[str, object], most: int | None) -> int:
    """Accept a string, as documented, and a number, as in the SDKs of CAS."""
    value = fields.get("Limit")
    if value is None or value == "":
        return 0
    limit = int(str(value)) if re.fullmatch(r"\d{1,9}", str(value)) else 0
    if limit < 1 or (most is not None and limit > most):
        raise BadValueError(f"Invalid Limit, not from 1 to {most or 'any number'}: {value}")
    return limit


def _byte_range(written: str | None) -> ByteRange | None:
    if written is None:
        return None
    form = re.fullmatch(r"(\d{1,18})-(\d{0,18})", written)
    if form is None:
        raise BadValueError(f"Invalid RetrievalByteRange: {written}")
    return int(form[1]), int(form[2]) if form[2] else None
