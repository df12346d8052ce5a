"""Generated names: those of cut names, and second names of older archives with the same name.

Both have a mark before the extension, and are cut before the mark. A name in a description that
has such a mark itself is escaped, so that it never passes for one of these.
"""

import contextlib
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from casfs.tree.file_names import LONGEST, cut, escape, hash_mark

COMPRESSED, ENCRYPTED = ".compressed", ".encrypted"
"""Suffixes of names whose archive's bytes are not those of the file."""

_SECOND = r"[0-9]{8}T[0-9]{6}Z~[0-9a-f]{12}(?![^.])"
_SECOND_MARK = re.compile(f"~{_SECOND}")
"""The mark of a second name: the date is between its two tildes."""
_MARK = re.compile(f"~(?={_SECOND}|[0-9a-f]{{32}}(?![^.]))")
_LONGEST_CHARACTER = 4
_LAST = "\U0010ffff"
_ENDING = re.compile(r"(?:\.[^.\s]{1,16})?(?:\.compressed)?(?:\.encrypted)?\Z")


@dataclass(frozen=True, slots=True)
class SecondName:
    """What a second name says about its archive.

    Attributes:
        first_name: the archive's own name, unless that was cut.
        first_names: the range of names that it is in if it was cut; None if it was not.
        created: when it was uploaded, to the second, UTC; None if that is not known.
    """

    first_name: str
    first_names: tuple[str, str] | None
    created: datetime | None


def second_name(name: str, created: datetime | None, archive_id: str) -> str:
    """Return the second name of an archive whose own name a newer one has.

    It is `stem~20190412T081530Z~1a2b3c4d5e6f.extension`: the archive's CreationDate in UTC, zeros
    if that is not known, and twelve digits of the SHA-256 of its id; so it stays the same whatever
    else is in the vault.

    Args:
        name: a safe file name.
        created: CreationDate; one without a time zone is taken as UTC.
        archive_id: as the service writes it.
    """
    digest = hashlib.sha256(archive_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return _marked(name, f"~{_date(created)}~{digest}")


def _date(created: datetime | None) -> str:
    if created is not None:
        # At the limits of dates, converting a time zone overflows.
        with contextlib.suppress(OverflowError):
            utc = created if created.tzinfo is None else created.astimezone(UTC)
            return f"{utc.year:04}{utc:%m%dT%H%M%SZ}"
    return "00000000T000000Z"


def parse_second_name(name: str) -> SecondName | None:
    """Parse a name that `second_name` may have made; return None if it cannot have."""
    mark = _SECOND_MARK.search(name)
    if mark is None:
        return None
    _, written, _ = mark[0].split("~")
    created = None
    if not written.startswith("0000"):
        try:
            created = datetime.strptime(written, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            return None
    stem, ending = name[: mark.start()], name[mark.end() :]
    # A cut takes whole characters, and so may leave some room.
    cut = len(name.encode("utf-8", "surrogatepass")) > LONGEST - _LONGEST_CHARACTER
    return SecondName(stem + ending, (stem, stem + _LAST) if cut else None, created)


def cut_name(name: str, whole: str) -> str:
    """Return a name that is cut to fit, with a hash of all of it."""
    return _marked(name, hash_mark(whole))


def escape_marks(name: str) -> str:
    """Return a name that does not pass for a generated one."""
    return escape(_MARK, name) if "~" in name else name


def _marked(name: str, mark: str) -> str:
    """Return a name with a mark before its extension, cut before that to fit into a file name."""
    ending = _ENDING.search(name, 1)
    start = ending.start() if ending else len(name)
    return cut(name[:start], mark + name[start:])
