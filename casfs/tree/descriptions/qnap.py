"""Descriptions of QNAP's Glacier application: `{"path": "/Public/a.pdf", "type": "file"}`.

Source: 6bee/qnap-backup-recovery-tool. (QNAP's Hybrid Backup Sync writes as FastGlacier does.)
"""

from casfs.tree.descriptions.described import Described, described_path
from casfs.tree.descriptions.encoded import json_object


def decode(text: str) -> Described | None:
    """Decode a description with `path` and `type`; return None for other texts."""
    if "path" not in text or (fields := json_object(text.strip())) is None:
        return None
    path = fields.get("path")
    if not isinstance(path, str) or not isinstance(fields.get("type"), str):
        return None
    return described_path(path)
