"""Which archives a second name may belong to."""

from dataclasses import dataclass
from datetime import UTC, datetime

from casfs.tree.descriptions.generated_names import SECOND_MARK
from casfs.tree.file_names import LONGEST
from casfs.tree.sqlite.values import NO_TIME, to_microseconds

_LONGEST_CHARACTER = 4
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class SecondName:
    """What a second name tells of its archive.

    Attributes:
        first_name: the name it came with, unless that was cut.
        first_names: between which names that is if it was cut; None if it was not.
        created: between which times it was uploaded, as `to_microseconds` has them.
    """

    first_name: str
    first_names: tuple[str, str] | None
    created: tuple[int, int]


def parse_second_name(name: str) -> SecondName | None:
    """Return what a name tells that `second_name` may have made, None if it cannot have."""
    mark = SECOND_MARK.search(name)
    if mark is None:
        return None
    _, written, _ = mark[0].split("~")
    created = (NO_TIME, NO_TIME)
    if not written.startswith("0000"):
        try:
            date = datetime.strptime(written, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            return None
        created = (to_microseconds(date), to_microseconds(date) + 999_999)
    stem, ending = name[: mark.start()], name[mark.end() :]
    # A cut takes whole characters, and may so leave less than the most that there is room for.
    cut = len(name.encode("utf-8", "surrogatepass")) > LONGEST - _LONGEST_CHARACTER
    return SecondName(stem + ending, (stem, stem + _LAST) if cut else None, created)
