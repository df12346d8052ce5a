"""Descriptions of CloudBerry (MSP360): JSON with a path in UTF-7.

    {"Path":"photos/+cWdyRw-/a+AF8-b.jpg","UTCDateModified":"20190412T081530Z","Flags":0}

Flags are bits: 1 compressed, 2 encrypted. A path such as `C++/x` is not UTF-7, and means itself.
Source: the vendor's answer on a question site, rows in mt-aws-glacier's tests, MSP360's help.
"""

from dataclasses import replace

from casfs.tree.descriptions.described import Described, described_path
from casfs.tree.descriptions.encoded import date, json_object, utf7_text

_COMPRESSED, _ENCRYPTED = 1, 2


def decode(text: str) -> Described | None:
    """Decode a description with `Path` and `UTCDateModified`; return None for other texts."""
    if "UTCDateModified" not in text or (fields := json_object(text.strip())) is None:
        return None
    path = fields.get("Path", fields.get("path"))
    flags = fields.get("Flags") or 0
    # Without its flags, transformed bytes would appear under the file's own name.
    if not isinstance(path, str) or "UTCDateModified" not in fields or type(flags) is not int:
        return None
    found = described_path(utf7_text(path), date(fields["UTCDateModified"]))
    if found is None or not flags:
        return found
    compressed, encrypted = bool(flags & _COMPRESSED), bool(flags & _ENCRYPTED)
    return replace(found, compressed=compressed, encrypted=encrypted)
