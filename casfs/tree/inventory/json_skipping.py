"""Where a malformed entry of a JSON inventory ends, and which archive it is about.

An error inside an entry does not hide its end, as long as brackets and quotes are balanced.
"""

import json
import re

_IN_STRING = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
_SIGN = re.compile(r'["\[\]{},]')
_ID = re.compile(r'"ArchiveId"\s*+:\s*+("(?:[^"\\]++|\\.)*+")', re.DOTALL)


class Skip:
    """Looks for the end of an entry in text that arrives piece by piece."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False

    def find_end(self, text: str, at: int) -> tuple[int, bool]:
        """Look at the next piece of text.

        Args:
            text: has the piece.
            at: where it begins: with the entry, or where the last piece was scanned to.

        Returns:
            where the entry ends, and True; or up to where the text was scanned, and False.
        """
        while at < len(text):
            if self._in_string:
                string = _IN_STRING.match(text, at)
                at = string.end() if string else at
                # A backslash at the end of the text belongs to what follows.
                if text[at : at + 1] != '"':
                    break
                self._in_string = False
            else:
                sign = _SIGN.search(text, at)
                if sign is None:
                    return len(text), False
                at = sign.start()
                if self._depth == 0 and sign[0] in ",]}":
                    return at, True
                self._in_string = sign[0] == '"'
                self._depth += (sign[0] in "[{") - (sign[0] in "]}")
            at += 1
        return at, False


def archive_id_in(entry: str) -> str | None:
    """Return the archive that a malformed entry is about, None if that cannot be read."""
    found = _ID.search(entry)
    if found is None:
        return None
    try:
        identifier = json.loads(found[1], strict=False)
    except ValueError:
        return None
    return identifier if isinstance(identifier, str) and identifier else None
