"""Descriptions of FastGlacier and its imitators: tags with a path in base64.

    <m><v>4</v><p>BASE64</p><lm>20190412T081530Z</lm><ce>0:0:MD5:SIZE</ce></m>
    <ArchiveMetadata><Path>BASE64</Path></ArchiveMetadata>          version 1

`ce` (version 3; the size since 4) is: compressed, encrypted, MD5 and size of the original. A path
that ends in `/` is a directory, whose archive is one byte. Source: fastglacier.com, the page on
the metadata format; rows with blanks and quotes are from the live service.
"""

import re
from dataclasses import replace

from casfs.tree.descriptions.described import Described, described_path
from casfs.tree.descriptions.encoded import base64_text, date, unquoted

_BLANK = re.compile(r"\s+")
_WHOLE = re.compile(r"<\s*(m|ArchiveMetadata)\s*>(.*)<\s*/\s*\1\s*>", re.DOTALL)
_FIELD = re.compile(r"<\s*(\w{1,20})\s*>([^<]*)<\s*/\s*\1\s*>")
_ORIGINAL = re.compile(r"([0-9]):([0-9])(?::[0-9A-Fa-f]*(?::([0-9]{0,18}))?)?")


def decode(text: str) -> Described | None:
    """Decode a description with these tags; return None for other texts."""
    if "<" not in text or not (whole := _WHOLE.fullmatch(unquoted(text))):
        return None
    pairs = _FIELD.findall(whole[2])
    fields = {tag: _BLANK.sub("", content) for tag, content in pairs}
    if len(fields) < len(pairs):
        return None
    if whole[1] == "m":
        if not re.fullmatch("[0-9]", fields.get("v", "")):
            return None
        return _found(fields.get("p", ""), fields.get("lm"), fields.get("ce"))
    return _found(fields.get("Path", ""), None, None)


def _found(encoded: str, modified: str | None, original: str | None) -> Described | None:
    path = base64_text(encoded)
    found = described_path(path, date(modified)) if path else None
    if not path or found is None:
        return None
    if path.endswith("/"):
        found = replace(found, is_directory=True)
    if original is None:
        return found
    # Without its flags, transformed bytes would appear under the file's own name.
    facts = _ORIGINAL.fullmatch(original)
    return facts and replace(
        found,
        compressed=facts[1] != "0",
        encrypted=facts[2] != "0",
        original_size=int(facts[3]) if facts[3] else None,
    )
