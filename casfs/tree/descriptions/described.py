"""What a rule read in a description, before its names are made safe."""

from dataclasses import dataclass

from casfs.tree.descriptions.path_text import split


@dataclass(frozen=True, slots=True)
class Described:
    """What a rule read in a description.

    Attributes:
        names: of the directories from the top, and of the file; as written, so not safe yet, but at
            least one, and none of them empty.
        mtime: nanoseconds since 1970, UTC; None if it is missing or invalid.
        is_directory: the archive is the marker of a directory.
        compressed: the archive's bytes are a compressed form of the file's.
        encrypted: the archive's bytes are an encrypted form of the file's.
        original_size: bytes of the file before it was compressed or encrypted; None if missing.
    """

    names: tuple[str, ...]
    mtime: int | None = None
    is_directory: bool = False
    compressed: bool = False
    encrypted: bool = False
    original_size: int | None = None


def described_path(path: str, mtime: int | None = None) -> Described | None:
    """Return what a path says; None if it names nothing, such as `/`."""
    names = split(path)
    return Described(names, mtime) if names else None
