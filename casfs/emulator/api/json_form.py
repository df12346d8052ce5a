"""Formats vaults, jobs and uploads: the field names, dates and values that services share.

Sources: CAS documentation (product 572); Amazon Glacier API 2012-06-01; for quotes in CSV, rows of
the live service in the tests of mt-aws-glacier. Every job has every field, null where it does not
apply (official Python SDK of CAS; Glacier, Describe Job).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TextIO

from casfs.emulator.engine.jobs import JobView
from casfs.emulator.engine.records import Archive, Job, Part, Upload, Vault
from casfs.emulator.settings import VaultFormQuestions
from casfs.treehash import to_text


def date(seconds: float) -> str:
    """Return a time as answers have it: ISO 8601, UTC, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def short_date(seconds: float) -> str:
    """Return a time without milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class VaultForm(ABC):
    """Field names and values, as the open questions are answered.

    Args:
        questions: the open questions.
        name_key: the field with the full name of a vault.
        name_prefix: the prefix of the full name of a vault.
    """

    def __init__(self, questions: VaultFormQuestions, name_key: str, name_prefix: str) -> None:
        self._questions = questions
        self._name_key = name_key
        self.name_prefix = name_prefix

    @abstractmethod
    def action(self, job: Job) -> str:
        """Return what a job does, as the service calls it."""

    @abstractmethod
    def own_fields(self, view: JobView) -> Mapping[str, object]:
        """Return the fields of a job that are specific to the service in name or form."""

    @abstractmethod
    def inventory_date(self, job: Job) -> str:
        """Return the InventoryDate of an inventory."""

    def vault(self, vault: Vault) -> dict[str, object]:
        """Return a vault (Describe Vault)."""
        return {
            "CreationDate": date(vault.created),
            "LastInventoryDate": None if vault.inventoried is None else date(vault.inventoried),
            "NumberOfArchives": vault.archive_count,
            "SizeInBytes": vault.byte_count,
            "VaultName": vault.name,
            self._name_key: self.name_prefix + vault.name,
        }

    def job(self, view: JobView) -> dict[str, object]:
        """Return a job: the fields of all kinds in one object (Describe Job)."""
        job, archive = view.job, view.archive
        fields: dict[str, object] = {
            "Action": self.action(job),
            "ArchiveId": job.archive,
            "ArchiveSHA256TreeHash": to_text(archive.tree_hash) if archive else None,
            "ArchiveSizeInBytes": archive.size if archive else None,
            "Completed": view.is_complete,
            "CompletionDate": date(job.completed) if view.is_complete else None,
            "CreationDate": date(job.created),
            "InventoryRetrievalParameters": self._parameters(view),
            "InventorySizeInBytes": job.output_size,
            "JobDescription": job.description,
            "JobId": job.id,
            "RetrievalByteRange": None if job.first is None else f"{job.first}-{job.last}",
            "SHA256TreeHash": self._range_hash(view),
            "StatusCode": _status(view),
            "StatusMessage": (job.failure if view.is_complete else None) or _status(view),
            "Tier": job.tier,
            self._name_key: self.name_prefix + job.vault,
            **self.own_fields(view),
        }
        if job.kind != "inventory" and self._questions.archive_job_parameters == "absent":
            del fields["InventoryRetrievalParameters"]
        return fields

    def _parameters(self, view: JobView) -> dict[str, object] | None:
        job = view.job
        if job.kind != "inventory":
            return None
        return {
            "EndDate": None if job.end is None else short_date(job.end),
            "Format": job.format,
            "Limit": self.limit(job),
            "Marker": job.continuation if view.is_complete else None,
            "StartDate": None if job.start is None else short_date(job.start),
        }

    def limit(self, job: Job) -> object:
        """Return the limit of an inventory job."""
        return str(job.item_limit) if self._questions.limit_form == "string" else job.item_limit

    def _range_hash(self, view: JobView) -> str | None:
        job, archive = view.job, view.archive
        if job.tree_hash is None:
            return None
        is_whole = archive is not None and job.first == 0 and job.last == archive.size - 1
        early = is_whole and self._questions.hash_of_running_job == "present"
        return to_text(job.tree_hash) if early or view.is_complete else None

    def upload(self, upload: Upload) -> dict[str, object]:
        """Return a multipart upload (List Multipart Uploads)."""
        return {
            "ArchiveDescription": upload.description,
            "CreationDate": date(upload.created),
            "MultipartUploadId": upload.id,
            "PartSizeInBytes": upload.part_size,
            self._name_key: self.name_prefix + upload.vault,
        }

    def part(self, part: Part) -> dict[str, object]:
        """Return one part of an upload (List Parts)."""
        return {
            "RangeInBytes": f"{part.first}-{part.last}",
            "SHA256TreeHash": to_text(part.tree_hash),
        }

    def write_inventory(
        self, output: TextIO, vault: Vault, job: Job, archives: Iterator[Archive]
    ) -> None:
        """Write an inventory (Get Job Output)."""
        if job.format == "CSV":
            output.write("ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\n")
            for archive in archives:
                output.write(_csv_row(archive))
            return
        head = {
            self._name_key: self.name_prefix + vault.name,
            "InventoryDate": self.inventory_date(job),
        }
        output.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "ArchiveList": [')
        for number, archive in enumerate(archives):
            element = json.dumps(_inventory_element(archive), ensure_ascii=False)
            output.write((", " if number else "") + element)
        output.write("]}")


def _csv_row(archive: Archive) -> str:
    """Return the line of an archive in a CSV inventory.

    Inside quotes, a quote is escaped with a backslash, and a backslash is not escaped. The page of
    CAS names four of the five columns and does not define the form; its sentence is Glacier's, so
    the form is assumed to be Glacier's as well.
    """
    text = archive.description or ""
    if any(sign in text for sign in ',"\r\n'):
        text = '"' + text.replace('"', '\\"') + '"'
    tree_hash = to_text(archive.tree_hash)
    return f"{archive.id},{text},{date(archive.created)},{archive.size},{tree_hash}\n"


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
