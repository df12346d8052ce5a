"""The bytes that an answer carries, and what the answer says about them."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Selection:
    """The bytes that an answer carries.

    Attributes:
        kind: what the output is, for its content type: `archive`, `JSON` or `CSV`.
        file: has the bytes.
        base: offset in the file of the output's first byte.
        total: bytes of the whole output.
        first: offset in the output of the first byte to send.
        last: offset in the output of the last byte to send.
        is_part: whether the answer is partial (206).
        tree_hash: of the bytes to send; None = the answer has no tree hash.
        whole_hash: the same for the whole output.
        description: of the archive, if it has one.
        shift: offset to add to the range that the answer claims, to inject a fault.
    """

    kind: str
    file: Path
    base: int
    total: int
    first: int
    last: int
    is_part: bool
    tree_hash: bytes | None
    whole_hash: bytes | None
    description: str | None = None
    shift: int = 0

    def content_range(self, form: str) -> str:
        """Return the Content-Range header, in a form of the question `content_range`."""
        sign = "=" if form == "equals" else " "
        return f"bytes{sign}{self.first + self.shift}-{self.last + self.shift}/{self.total}"

    @property
    def length(self) -> int:
        """Bytes to send."""
        return self.last - self.first + 1

    def whole(self) -> "Selection":
        """Return the whole output, as if no range had been requested."""
        return replace(self, first=0, last=self.total - 1, is_part=False, tree_hash=self.whole_hash)
