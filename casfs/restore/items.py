"""What is requested by one job: an archive, or a range of one."""

from collections.abc import Iterator
from typing import NamedTuple

from casfs.errors import ConfigError
from casfs.ranges import BLOCK_SIZE, Layout


class Item(NamedTuple):
    """What one job retrieves.

    Attributes:
        archive: id of the archive.
        name: for people; "" if it has none.
        first: first byte.
        last: last byte; `TO_THE_END` if it is the whole archive.
        size: bytes, None if unknown.
        created: when the archive was uploaded, in microseconds since 1970.
        whole: all of the archive.
        again: an earlier job for it failed, or its output expired.
        blocked_by: number of the request, without an answer, that may bring it; None = none.
    """

    archive: str
    name: str
    first: int
    last: int
    size: int | None
    created: int
    whole: bool
    again: bool = False
    blocked_by: int | None = None

    @property
    def shown(self) -> str:
        """Return what people call it."""
        what = self.name or f"archive {self.archive}"
        return what if self.whole else f"bytes {self.first}-{self.last} of {what}"

    @property
    def byte_range(self) -> tuple[int, int] | None:
        """Return the range as a job takes it, None for all of the archive."""
        return None if self.whole else (self.first, self.last)


def parse_range(text: str) -> tuple[int, int]:
    """Return first and last byte of a range that a job can retrieve, such as `0-1048575`.

    Raises:
        ConfigError: it is not a range, or does not begin on a MiB.
    """
    begin, end = parse_bytes(text)
    if begin % BLOCK_SIZE:
        raise ConfigError(
            f"--range {text} does not begin on a MiB; the next one below is "
            f"{begin - begin % BLOCK_SIZE}"
        )
    return begin, end


def parse_bytes(text: str) -> tuple[int, int]:
    """Return first and last byte of a range such as `10-19`.

    Raises:
        ConfigError: it is not a range.
    """
    first, dash, last = text.strip().partition("-")
    if not (dash and first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise ConfigError(f"--range must be first and last byte, such as 0-1048575, not {text!r}")
    begin, end = int(first), int(last)
    if end < begin:
        raise ConfigError(f"--range {text} ends before it begins")
    return begin, end


def ranged(item: Item, wanted: tuple[int, int]) -> Item | None:
    """Return the part of a whole archive in a range, None if there is nothing of it.

    Raises:
        ConfigError: the range ends inside a MiB, and not with the archive.
    """
    first, last = wanted
    if item.size is None:
        _check_end(last)
        return item._replace(first=first, last=last, size=last - first + 1, whole=False)
    if first >= item.size:
        return None
    end = min(last, item.size - 1)
    if end != item.size - 1:
        _check_end(end)
    if first == 0 and end == item.size - 1:
        return item
    return item._replace(first=first, last=end, size=end - first + 1, whole=False)


def is_verifiable(item: Item, archive_size: int) -> bool:
    """Return whether a range is a subtree of its archive's hash tree, so that it has a hash."""
    if item.whole:
        return True
    blocks = range(item.first // BLOCK_SIZE, -(-(item.last + 1) // BLOCK_SIZE))
    layout = Layout(archive_size, 0, -(-archive_size // BLOCK_SIZE))
    return next(layout.split(blocks, 2 * len(blocks))) == blocks


def split(item: Item, limit: int) -> Iterator[Item]:
    """Yield an item as parts that are subtrees of its archive, each of `limit` bytes at most.

    An archive of unknown size stays whole.
    """
    if item.size is None or item.size <= limit or not item.whole:
        yield item
        return
    layout = Layout(item.size, 0, -(-item.size // BLOCK_SIZE))
    for run in layout.split(range(layout.blocks), max(1, limit // BLOCK_SIZE)):
        first, stop = layout.span(run)
        yield item._replace(first=first, last=stop - 1, size=stop - first, whole=False)


def _check_end(last: int) -> None:
    if (last + 1) % BLOCK_SIZE:
        end = last - (last + 1) % BLOCK_SIZE + BLOCK_SIZE
        raise ConfigError(
            f"--range: byte {last} is not the last of a MiB; the next such byte is {end}"
        )
