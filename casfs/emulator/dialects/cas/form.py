"""Formats what is specific to Tencent CAS: names, actions, callbacks, JSON.

Sources: CAS documentation (product 572), the official Python SDK (cassdk 1.0.2, cas_python_sdk
v1.0.6).
"""

import json
from collections.abc import Mapping

from casfs.emulator.api.json_form import VaultForm, date
from casfs.emulator.dialects.cas.settings import CasQuestions
from casfs.emulator.engine.jobs import JobView
from casfs.emulator.engine.records import Job
from casfs.emulator.settings import Settings

_ACTIONS = {
    "archive": "ArchiveRetrieval",
    "inventory": "InventoryRetrieval",
    "push": "PushToCOS",
    "pull": "PullFromCOS",
}


def layout(value: object, is_long: bool) -> bytes:
    """Return JSON in the layout of the documented samples: sorted keys, three spaces, ` : `.

    Long lists are on one line, which is ten times as fast.
    """
    if is_long:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    else:
        signs = (",", " : ")
        text = json.dumps(value, indent=3, sort_keys=True, separators=signs, ensure_ascii=False)
        text += "\n"
    return text.encode("utf-8", "surrogateescape")


class CasForm(VaultForm):
    """Formats the resources of CAS.

    Args:
        settings: region and account for resource names.
        questions: the open questions.
    """

    def __init__(self, settings: Settings, questions: CasQuestions) -> None:
        # CAS documentation, Glossary: VaultQCS.
        prefix = f"qcs:id/0:cas:{settings.region}:uid/{settings.account}:vaults/"
        super().__init__(questions, "VaultQCS", prefix)
        self._callback_key = questions.callback_key

    def action(self, job: Job) -> str:
        """Return what a job does (CAS documentation, Describe Job)."""
        return _ACTIONS[job.kind]

    def own_fields(self, view: JobView) -> Mapping[str, object]:
        """Return the callback, the object store, and an inventory's size (0 while it runs)."""
        job = view.job
        names = {"both": ("CallBackUrl", "JobCallBackUrl")}
        return {
            "Bucket": job.bucket,
            "InventorySizeInBytes": (job.output_size or 0) if job.kind == "inventory" else None,
            "Object": job.object,
            **dict.fromkeys(names.get(self._callback_key, (self._callback_key,)), job.callback),
        }

    def inventory_date(self, job: Job) -> str:
        """Return the date of an inventory (CAS documentation, Get Job Output)."""
        return date(job.completed)
