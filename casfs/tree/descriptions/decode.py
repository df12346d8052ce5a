"""An archive's description as a path, a time and whatever else its tool records."""

from dataclasses import dataclass

from casfs.tree.descriptions.described import Described
from casfs.tree.descriptions.generated_names import COMPRESSED, ENCRYPTED
from casfs.tree.descriptions.rules import DEFAULT, RULES, RuleSet
from casfs.tree.descriptions.safe_path import safe_path

LONGEST_TEXT = 4096
"""The longest description that is decoded, in bytes of UTF-8; the services allow 1024. A longer one
is a single name, which is cut."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a description says about its archive; a hint from the uploader, not a fact.

    Attributes:
        path: safe file names from the top; () if the description names nothing (null, blanks).
        rule: name of the rule that matched; "" if none did.
        mtime: nanoseconds since 1970, UTC; None if it is missing or invalid.
        is_directory: the archive is the marker of a directory (of one byte, or less).
        compressed: the archive's bytes are compressed, and are not the file.
        encrypted: the archive's bytes are encrypted, and are not the file.
        original_size: bytes of the file before that; None if it is missing.
    """

    path: tuple[str, ...]
    rule: str = ""
    mtime: int | None = None
    is_directory: bool = False
    compressed: bool = False
    encrypted: bool = False
    original_size: int | None = None


_NAMELESS = Decoded(())


def decode(description: str | None, rules: RuleSet = DEFAULT) -> Decoded:
    """Decode a description by these rules; never raises, whatever the text."""
    if description is None or not description.strip():
        return _NAMELESS
    if _is_long(description):
        return Decoded(safe_path((description,)))
    text = _repaired(description)
    for rule in rules.names:
        found = RULES[rule](text)
        if found is not None:
            return Decoded(
                safe_path(found.names, _suffix(found)),
                rule,
                found.mtime,
                found.is_directory,
                found.compressed,
                found.encrypted,
                found.original_size,
            )
    return Decoded(safe_path((text,)))


def _is_long(text: str) -> bool:
    if len(text) <= LONGEST_TEXT // 4:
        return False
    return len(text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT


def _repaired(text: str) -> str:
    """Return a text as UTF-8 that was read as Latin-1, as some services' stand-ins do."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _suffix(found: Described) -> str:
    if found.is_directory or not (found.compressed or found.encrypted):
        return ""
    return COMPRESSED * found.compressed + ENCRYPTED * found.encrypted
