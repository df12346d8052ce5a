"""Formats what is specific to Amazon Glacier: names, actions, Select, nulls.

Source: Amazon Glacier Developer Guide, API version 2012-06-01.
"""

import json
from collections.abc import Mapping

from casfs.emulator.api.json_form import VaultForm, date, short_date
from casfs.emulator.dialects.glacier.settings import GlacierQuestions
from casfs.emulator.engine.jobs import JobView
from casfs.emulator.engine.records import Job, Vault
from casfs.emulator.settings import Settings

_ACTIONS = {
    "archive": "ArchiveRetrieval",
    "inventory": "InventoryRetrieval",
    "select": "Select",
}

_ARCHIVE_OVERHEAD = 32 << 10
"""Bytes that each archive adds to the size of its vault (Developer Guide, Describe Vault)."""


def layout(value: object) -> bytes:
    """Return JSON on one line."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogateescape"
    )


class GlacierForm(VaultForm):
    """Formats the resources of Glacier.

    Args:
        settings: region and account for resource names.
        questions: the open questions.
    """

    def __init__(self, settings: Settings, questions: GlacierQuestions) -> None:
        prefix = f"arn:aws:glacier:{settings.region}:{settings.account}:vaults/"
        super().__init__(questions, "VaultARN", prefix)
        self._inventory_date = date if questions.inventory_date == "milliseconds" else short_date

    def vault(self, vault: Vault) -> dict[str, object]:
        """Return a vault; its size includes an overhead for each archive (Describe Vault)."""
        size = vault.byte_count
        if size is not None:
            size += _ARCHIVE_OVERHEAD * (vault.archive_count or 0)
        return {**super().vault(vault), "SizeInBytes": size}

    def action(self, job: Job) -> str:
        """Return what a job does (Describe Job)."""
        return _ACTIONS[job.kind]

    def own_fields(self, view: JobView) -> Mapping[str, object]:
        """Return the topic and Select fields, with null where other services have empty text."""
        job = view.job
        fields: dict[str, object] = {
            "JobDescription": job.description or None,
            "JobOutputPath": None,
            "OutputLocation": None,
            "SNSTopic": job.callback,
            "SelectParameters": None,
        }
        if job.kind == "select":
            fields |= json.loads(job.details or "{}")
            fields |= {
                "JobOutputPath": output_path(job),
                "RetrievalByteRange": None,
                "SHA256TreeHash": None,
            }
        return fields

    def limit(self, job: Job) -> object:
        """Return the limit of an inventory job; None if it has none."""
        return super().limit(job) if job.item_limit else None

    def inventory_date(self, job: Job) -> str:
        """Return the date of an inventory; in the samples it has no milliseconds."""
        return self._inventory_date(job.completed)


def output_path(job: Job) -> str:
    """Return where the output of a Select job would be in an object store."""
    return f"s3://{'/'.join(filter(None, [job.bucket, job.object, job.id]))}"
