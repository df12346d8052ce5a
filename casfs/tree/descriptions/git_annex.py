"""Descriptions of git-annex: a key, such as `SHA256E-s43--HASH.jpg`, after a prefix or none.

The name is the key, without the prefix; the path is in the git repository only. Source: git-annex's
page on key formats and its special remote for Glacier.
"""

import re

from casfs.tree.descriptions.found import Found

_KEY = re.compile(
    r"""
    (?: (?:GPGHMAC)? (?:MD5|SHA1|SHA(?:3_)?(?:224|256|384|512)|SKEIN(?:256|512)
                       |BLAKE2(?:B|BP|S|SP)[0-9]{3}) E?
        (?:-[sSmC][0-9]+)* -- [0-9a-f]{32,128} (?:\.[^/]*)?
      | WORM (?:-[sSmC][0-9]+)+ -- .+
      | V?URL (?:-[sSmC][0-9]+)* -- [a-z]+: .+
    )\Z""",
    re.VERBOSE | re.DOTALL,
)


def decode(text: str) -> Found | None:
    """Return the key in a description of git-annex, None for other texts."""
    if "--" not in text or (key := _KEY.search(text)) is None:
        return None
    # Behind directories it is a path, all of which counts.
    return None if "/" in text[: key.start()] else Found((key[0],))
