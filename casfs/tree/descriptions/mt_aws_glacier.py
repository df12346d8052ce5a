"""Descriptions of mt-aws-glacier: `mt2 ` (0.85 and later) or `mt1 `, and JSON in base64url.

The JSON has `filename`, a relative path, and `mtime`, `YYYYMMDDTHHMMSSZ` in UTC; mt1 has the
path in UTF-8 twice over. Source: vsespb/mt-aws-glacier, lib/App/MtAws/MetaData.pm.
"""

from casfs.tree.descriptions.described import Described, described_path
from casfs.tree.descriptions.encoded import base64_text, date, json_object


def decode(text: str) -> Described | None:
    """Decode an `mt1` or `mt2` description; return None for other texts."""
    if not text.startswith(("mt2 ", "mt1 ")):
        return None
    content = base64_text(text[4:].strip())
    fields = json_object(content) if content else None
    path = fields.get("filename") if fields else None
    if fields is None or not isinstance(path, str):
        return None
    if text.startswith("mt1 "):
        try:
            path = path.encode("latin-1").decode()
        except UnicodeError:
            return None
    return described_path(path, date(fields.get("mtime")))
