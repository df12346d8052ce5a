"""Formats resources as Aliyun OAS does: field names, dates, `""` and -1 where nothing applies.

Source: OAS documentation, the page of each operation; the official Python SDK (oassdk 0.2.5), whose
command line tool requires every field in every job.
"""

import json
from collections.abc import Iterator
from email.utils import formatdate
from typing import TextIO

from casfs.emulator.engine.jobs import JobView
from casfs.emulator.engine.records import Archive, Job, Part, Upload, Vault
from casfs.treehash import to_text

_ACTIONS = {
    "archive": "ArchiveRetrieval",
    "inventory": "InventoryRetrieval",
    "push": "PushToOSS",
    "pull": "PullFromOSS",
}


def date(seconds: float | None) -> str:
    """Return a time as all answers have it: RFC 1123, GMT; `""` for None."""
    return "" if seconds is None else formatdate(seconds, usegmt=True)


def etag(digest: bytes | None) -> str:
    """Return a digest in upper-case hexadecimal; `""` for None."""
    return "" if digest is None else to_text(digest).upper()


class OasForm:
    """Formats the resources of OAS."""

    name_prefix = ""

    def vault(self, vault: Vault) -> dict[str, object]:
        """Return a vault (List Vaults, Describe Vault)."""
        return {
            "CreationDate": date(vault.created),
            "LastInventoryDate": date(vault.inventoried),
            "NumberOfArchives": vault.archive_count or 0,
            "SizeInBytes": vault.byte_count or 0,
            "VaultId": vault.address,
            "VaultName": vault.name,
        }

    def archive(self, archive: Archive) -> dict[str, object]:
        """Return an archive; the SDK shows only its size, the other names are those of jobs."""
        return {
            "ArchiveDescription": archive.description or "",
            "ArchiveId": archive.id,
            "ArchiveSizeInBytes": archive.size,
            "ArchiveTreeEtag": etag(archive.tree_hash),
            "CreationDate": date(archive.created),
        }

    def job(self, view: JobView) -> dict[str, object]:
        """Return a job: the same 14 fields for all kinds (List Jobs, Describe Job)."""
        job = view.job
        archive = view.archive if view.is_complete else None
        is_whole = view.archive is not None and (job.first, job.last) == (0, view.archive.size - 1)
        has_range = job.kind == "archive" and (view.is_complete or not is_whole)
        size = job.output_size if view.is_complete else None
        status = "Failed" if job.failure else "Succeeded"
        return {
            "Action": _ACTIONS[job.kind],
            "ArchiveId": job.archive or "",
            "ArchiveSizeInBytes": archive.size if archive else -1,
            "ArchiveTreeEtag": etag(archive.tree_hash if archive else None),
            "Completed": view.is_complete,
            "CompletionDate": date(job.completed) if view.is_complete else "",
            "CreationDate": date(job.created),
            "InventorySizeInBytes": -1 if size is None else size,
            "JobDescription": job.description,
            "JobId": job.id,
            "RetrievalByteRange": f"{job.first}-{job.last}" if has_range else "",
            "StatusCode": status if view.is_complete else "InProgress",
            "StatusMessage": (job.failure or status) if view.is_complete else "InProgress",
            "TreeEtag": etag(job.tree_hash if view.is_complete else None),
        }

    def upload(self, upload: Upload) -> dict[str, object]:
        """Return a multipart upload (official Python SDK)."""
        return {
            "ArchiveDescription": upload.description or "",
            "CreationDate": date(upload.created),
            "MultipartUploadId": upload.id,
            "PartSizeInBytes": upload.part_size,
        }

    def part(self, part: Part) -> dict[str, object]:
        """Return one part of an upload (official Python SDK)."""
        return {
            "ContentEtag": etag(part.digest),
            "RangeInBytes": f"{part.first}-{part.last}",
            "TreeEtag": etag(part.tree_hash),
        }

    def write_inventory(
        self, output: TextIO, vault: Vault, job: Job, archives: Iterator[Archive]
    ) -> None:
        """Write an inventory (Get Job Output), with the fields in the order of the sample."""
        head = {"VaultId": vault.address, "InventoryDate": date(job.completed)}
        output.write(json.dumps(head)[:-1] + ', "ArchiveList": [')
        for number, archive in enumerate(archives):
            element = {
                "ArchiveId": archive.id,
                "ArchiveTreeEtag": etag(archive.tree_hash),
                "ArchiveDescription": archive.description or "",
                "CreationDate": date(archive.created),
                "Size": archive.size,
            }
            output.write((", " if number else "") + json.dumps(element, ensure_ascii=False))
        output.write("]}")
