"""The body of Initiate Job (CAS documentation, Initiate Job), read into a job."""

import re
from collections.abc import Mapping

from casfs.emulator.cas_form import asked_date
from casfs.emulator.cas_requests import is_utf8
from casfs.emulator.cas_settings import RULES
from casfs.emulator.errors import BadValueError
from casfs.emulator.records import Job, Kind

_KINDS: dict[str, Kind] = {
    "archive-retrieval": "archive",
    "inventory-retrieval": "inventory",
    "push-to-cos": "push",
    "pull-from-cos": "pull",
}

_TIERS = ("Expedited", "Standard", "Bulk")


def wanted_job(fields: Mapping[str, object]) -> tuple[Job, tuple[int, int | None] | None]:
    """Return the job that a request wants, without id, vault and times, and its byte range.

    Args:
        fields: the JSON object of the request; its required keys are there.

    Returns:
        The job, and the first and last byte to retrieve (None = the whole; a last of None = to the
        end, which the official command line tool sends as `start-`).

    Raises:
        BadValueError: a key has a value it may not have.
    """
    kind = _KINDS.get(_text(fields, "Type") or "")
    if kind is None:
        raise BadValueError(f"Invalid Type: {fields.get('Type')}")
    common = Job(
        id="",
        vault="",
        kind=kind,
        created=0.0,
        completed=0.0,
        archive=_text(fields, "ArchiveId") if kind in {"archive", "push"} else None,
        # The official Node.js demo sends a tier with inventory jobs, which have none.
        tier=_tier(fields) if kind in {"archive", "push"} else None,
        description=_text(fields, "Description") or "",
        callback=_text(fields, "CallBackUrl"),
        bucket=_text(fields, "Bucket") if kind in {"push", "pull"} else None,
        object=_text(fields, "Object") if kind in {"push", "pull"} else None,
    )
    if kind == "inventory":
        return _inventory(common, fields), None
    if kind == "pull":
        return common, None
    return common, _byte_range(_text(fields, "RetrievalByteRange"))


def _inventory(job: Job, fields: Mapping[str, object]) -> Job:
    form = (_text(fields, "Format") or "JSON").upper()
    if form not in {"JSON", "CSV"}:
        raise BadValueError(f"Invalid Format: {form}")
    parameters = fields.get("InventoryRetrievalParameters") or {}
    if not isinstance(parameters, dict):
        raise BadValueError("InventoryRetrievalParameters must be an object")
    return Job(
        id=job.id,
        vault=job.vault,
        kind=job.kind,
        created=job.created,
        completed=job.completed,
        description=job.description,
        callback=job.callback,
        format=form,
        start=_date(parameters, "StartDate"),
        end=_date(parameters, "EndDate"),
        item_limit=_limit(parameters),
        marker=_text(parameters, "Marker"),
    )


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not is_utf8(value):
        raise BadValueError(f"{name} must be a string of UTF-8")
    return value


def _tier(fields: Mapping[str, object]) -> str:
    tier = _text(fields, "Tier") or "Standard"
    if tier not in _TIERS:
        raise BadValueError(f"Invalid Tier: {tier}")
    return tier


def _date(fields: Mapping[str, object], name: str) -> float | None:
    text = _text(fields, name)
    if text is None:
        return None
    try:
        return asked_date(text)
    except ValueError as error:
        raise BadValueError(f"Invalid {name}: {text}") from error


def _limit(fields: Mapping[str, object]) -> int:
    """The documentation has a string here; the SDKs read a number, so both are taken."""
    value = fields.get("Limit")
    if value is None or value == "":
        return 0
    most = RULES.inventory_limit or 0
    if not re.fullmatch(r"\d{1,9}", str(value)) or not 1 <= int(str(value)) <= most:
        raise BadValueError(f"Invalid Limit, not from 1 to {most}: {value}")
    return int(str(value))


def _byte_range(text: str | None) -> tuple[int, int | None] | None:
    if text is None:
        return None
    form = re.fullmatch(r"(\d{1,18})-(\d{0,18})", text)
    if form is None:
        raise BadValueError(f"Invalid RetrievalByteRange: {text}")
    return int(form[1]), int(form[2]) if form[2] else None
