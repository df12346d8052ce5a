r"""Descriptions that are a path or a file name as it is, as of most scripts and command lines.

`/` separates; at the end it marks a directory, as in object stores. A backslash separates only
after a leading drive or server; or, by the rule `windows-paths`, wherever there is no `/`.
"""

import re
from dataclasses import replace

from casfs.tree.descriptions.described import Described, described_path
from casfs.tree.descriptions.path_text import split_windows

_FORM_OF_A_TOOL = re.compile(
    r"""[\s"\\]*(?:\{[\s\\]*"|<\s*(?:m|ArchiveMetadata)\s*>|<[!?]\w)|grsync\||mt[12]\ [\w-]+=*\Z"""
)
_FILE_NAME = re.compile(r".*\.\w{1,16}", re.DOTALL)


def decode(text: str) -> Described | None:
    """Return the path that a text is; None if it has no separator and is not like a file name."""
    if "/" in text or "\\" in text or _FILE_NAME.fullmatch(text):
        # The slash in `</p>` or in JSON does not make directories.
        if _FORM_OF_A_TOOL.match(text):
            return None
        found = described_path(text)
        is_directory = text.endswith("/")
        return replace(found, is_directory=True) if found is not None and is_directory else found
    return None


def decode_windows(text: str) -> Described | None:
    r"""Return the path of names between backslashes; None if there are none, or a `/`."""
    if "\\" not in text or "/" in text or _FORM_OF_A_TOOL.match(text):
        return None
    found = described_path(text)
    if found is not None and len(found.names) == 1:
        names = split_windows(text)
        return Described(names) if names else None
    return found
