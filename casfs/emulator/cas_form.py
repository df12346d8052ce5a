"""How Tencent CAS writes things: field names, dates, error bodies, inventories.

Sources: CAS documentation (product 572), the official Python SDK (cassdk 1.0.2, cas_python_sdk
v1.0.6), which shows that a job has every key in every kind, null where it does not apply.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TextIO

from casfs.emulator.cas_settings import CasQuestions
from casfs.emulator.dialect import Reply
from casfs.emulator.jobs import JobView
from casfs.emulator.records import Archive, Job, Part, Upload, Vault
from casfs.emulator.settings import Settings
from casfs.treehash import to_text

_ACTIONS = {
    "archive": "ArchiveRetrieval",
    "inventory": "InventoryRetrieval",
    "push": "PushToCOS",
    "pull": "PullFromCOS",
}

STATUSES = {
    "AccessDeniedException": 403,
    "BadRequest": 400,
    "ExpiredTokenException": 403,
    "InvalidDigest": 400,
    "InvalidParameterValueException": 400,
    "InvalidSignatureException": 400,
    "LimitExceededException": 400,
    "MissingAuthenticationTokenException": 400,
    "MissingParameterValueException": 400,
    "ResourceNotFoundException": 404,
    "SerializationException": 400,
    "ThrottlingException": 400,
    "UnrecognizedClientException": 400,
    "ServiceUnavailableException": 500,
}
"""HTTP status by error code (CAS documentation, Error codes; InvalidDigest: Python SDK)."""


def styled(value: object) -> bytes:
    """Return JSON in the layout of the documented samples: sorted keys, three blanks, ` : `."""
    text = json.dumps(value, indent=3, sort_keys=True, separators=(",", " : "), ensure_ascii=False)
    return (text + "\n").encode("utf-8", "surrogateescape")


def ok(value: object, compact: bool = False) -> Reply:
    """Return an answer with a JSON body; a compact one for long lists, ten times as fast."""
    if compact:
        body = json.dumps(value, sort_keys=True, ensure_ascii=False).encode(
            "utf-8", "surrogateescape"
        )
    else:
        body = styled(value)
    return Reply(200, {"Content-Type": "application/json"}, body)


def error(code: str, message: str, status: int | None = None) -> Reply:
    """Return an error answer (CAS documentation, Error codes)."""
    kind = "Server" if code == "ServiceUnavailableException" else "Client"
    body = styled({"code": code, "message": message, "type": kind})
    return Reply(status or STATUSES[code], {"Content-Type": "application/json"}, body)


def date(seconds: float) -> str:
    """Return a time as answers show it: ISO 8601, UTC, milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _date_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else date(seconds)


def asked_date(text: str) -> float:
    """Return the time of a date in a request, `YYYY-MM-DDThh:mm:ssZ`.

    Raises:
        ValueError: another form.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def _asked_date_text(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Form:
    """Field names and values, as the switches want them.

    Args:
        settings: region and account for resource names.
        questions: the open questions.
    """

    def __init__(self, settings: Settings, questions: CasQuestions) -> None:
        self._questions = questions
        self.name_prefix = f"qcs:id/0:cas:{settings.region}:uid/{settings.account}:vaults/"

    def resource_name(self, vault: str) -> str:
        """Return the full name of a vault (CAS documentation, Glossary: VaultQCS)."""
        return self.name_prefix + vault

    def vault(self, vault: Vault) -> dict[str, object]:
        """Return a vault (CAS documentation, Describe Vault)."""
        return {
            "CreationDate": date(vault.created),
            "LastInventoryDate": _date_or_none(vault.inventoried),
            "NumberOfArchives": vault.archive_count,
            "SizeInBytes": vault.byte_count,
            "VaultName": vault.name,
            "VaultQCS": self.resource_name(vault.name),
        }

    def job(self, view: JobView) -> dict[str, object]:
        """Return a job: one flat union of all kinds (official Python SDK)."""
        job, archive = view.job, view.archive
        fields: dict[str, object] = {
            "Action": _ACTIONS[job.kind],
            "ArchiveId": job.archive,
            "ArchiveSHA256TreeHash": to_text(archive.tree_hash) if archive else None,
            "ArchiveSizeInBytes": archive.size if archive else None,
            "Bucket": job.bucket,
            "Completed": view.is_complete,
            "CompletionDate": date(job.completed) if view.is_complete else None,
            "CreationDate": date(job.created),
            "InventoryRetrievalParameters": self._parameters(view),
            "InventorySizeInBytes": (job.output_size or 0) if job.kind == "inventory" else None,
            "JobDescription": job.description,
            "JobId": job.id,
            "Object": job.object,
            "RetrievalByteRange": None if job.first is None else f"{job.first}-{job.last}",
            "SHA256TreeHash": self._range_hash(view),
            "StatusCode": _status(view),
            "StatusMessage": (job.failure if view.is_complete else None) or _status(view),
            "Tier": job.tier,
            "VaultQCS": self.resource_name(job.vault),
        }
        names = {"both": ("CallBackUrl", "JobCallBackUrl")}
        for name in names.get(self._questions.callback_key, (self._questions.callback_key,)):
            fields[name] = job.callback
        if job.kind != "inventory" and self._questions.archive_job_parameters == "absent":
            del fields["InventoryRetrievalParameters"]
        return fields

    def _parameters(self, view: JobView) -> dict[str, object] | None:
        job = view.job
        if job.kind != "inventory":
            return None
        as_text = self._questions.limit_form == "string"
        return {
            "EndDate": _asked_date_text(job.end),
            "Format": job.format,
            "Limit": str(job.item_limit) if as_text else job.item_limit,
            "Marker": job.continuation if view.is_complete else None,
            "StartDate": _asked_date_text(job.start),
        }

    def _range_hash(self, view: JobView) -> str | None:
        job, archive = view.job, view.archive
        if job.tree_hash is None:
            return None
        is_whole = archive is not None and job.first == 0 and job.last == archive.size - 1
        early = is_whole and self._questions.hash_of_running_job == "present"
        return to_text(job.tree_hash) if early or view.is_complete else None

    def upload(self, upload: Upload) -> dict[str, object]:
        """Return a multipart upload (CAS documentation, List Multipart Uploads)."""
        return {
            "ArchiveDescription": upload.description,
            "CreationDate": date(upload.created),
            "MultipartUploadId": upload.id,
            "PartSizeInBytes": upload.part_size,
            "VaultQCS": self.resource_name(upload.vault),
        }

    def part(self, part: Part) -> dict[str, object]:
        """Return one part of an upload (CAS documentation, List Parts)."""
        return {
            "RangeInBytes": f"{part.first}-{part.last}",
            "SHA256TreeHash": to_text(part.tree_hash),
        }

    def write_inventory(self, output: TextIO, job: Job, archives: Iterator[Archive]) -> None:
        """Write an inventory (CAS documentation, Get Job Output).

        The page names four of five CSV columns; the fifth is that of Amazon Glacier, whose sentence
        it is. Header row and escapes are Glacier's too: a backslash before a quote or a backslash.
        """
        if job.format == "CSV":
            output.write("ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\n")
            for archive in archives:
                output.write(_csv_row(archive))
            return
        head = {
            "VaultQCS": self.resource_name(job.vault),
            "InventoryDate": date(job.completed),
        }
        output.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "ArchiveList": [')
        for number, archive in enumerate(archives):
            element = json.dumps(_inventory_element(archive), ensure_ascii=False)
            output.write((", " if number else "") + element)
        output.write("]}")


def _status(view: JobView) -> str:
    if not view.is_complete:
        return "InProgress"
    return "Succeeded" if view.job.failure is None else "Failed"


def _inventory_element(archive: Archive) -> Mapping[str, object]:
    return {
        "ArchiveId": archive.id,
        "ArchiveDescription": archive.description,
        "CreationDate": date(archive.created),
        "Size": archive.size,
        "SHA256TreeHash": to_text(archive.tree_hash),
    }


def _csv_row(archive: Archive) -> str:
    text = archive.description or ""
    if any(sign in text for sign in ',"\\\n\r'):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    tree_hash = to_text(archive.tree_hash)
    return f"{archive.id},{text},{date(archive.created)},{archive.size},{tree_hash}\n"
