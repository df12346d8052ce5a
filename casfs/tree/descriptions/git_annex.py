"""Descriptions of git-annex: a key, such as `SHA256E-s43--HASH.jpg`, after a prefix or none.

The name is the key, without the prefix; the path is in the git repository only. Source: git-annex's
page on key formats and its special remote for Glacier.
"""

import re

from casfs.tree.descriptions.described import Described

_HASH = r"""
    (?: GPGHMAC )? (?: MD5 | SHA1 | SHA(?:3_)?(?:224|256|384|512) | SKEIN(?:256|512)
                     | BLAKE2(?:B|BP|S|SP)[0-9]{3} ) E?
    (?: -[sSmC][0-9]++ )*+ -- [0-9a-f]{32,128} (?: \.[^/]*+ )?
    """
_OTHER = r"""
      WORM (?: -[sSmC][0-9]++ )++ -- .+
    | V?URL (?: -[sSmC][0-9]++ )*+ -- [a-z]++: .+
    """
_ANY_KEY = re.compile(rf"(?:{_HASH}|{_OTHER})\Z", re.VERBOSE | re.DOTALL)
_KEY_WITH_SLASH = re.compile(rf"(?:{_OTHER})\Z", re.VERBOSE | re.DOTALL)


def decode(text: str) -> Described | None:
    """Return the key in a description of git-annex, None for other texts."""
    if "--" not in text:
        return None
    # Only these may contain a slash: every hash key before one would be scanned up to it in vain.
    key = (_KEY_WITH_SLASH if "/" in text else _ANY_KEY).search(text)
    # After directories it is a path, all of which counts.
    return None if key is None or "/" in text[: key.start()] else Described((key[0],))
