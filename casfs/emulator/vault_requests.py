"""Reads what requests say in their paths, parameters and headers."""

import re
from typing import TypeVar
from urllib.parse import unquote

from casfs.emulator.dialect import Call
from casfs.emulator.errors import BadValueError, MissingValueError, WrongDigestError
from casfs.emulator.incoming import Received
from casfs.emulator.wire import Wire
from casfs.treehash import SHA256, from_text

_Choice = TypeVar("_Choice")


def routed(path: str) -> tuple[str | None, str, list[str]]:
    """Take `/<account>/vaults/a/jobs/b` apart: account, `*/jobs/*`, `[a, b]`."""
    words = [unquote(word) for word in path.split("/")[1:]]
    if len(words) < 2 or words[1] != "vaults":
        return None, "", []
    rest = words[2:]
    shape = "/".join("*" if at % 2 == 0 else word for at, word in enumerate(rest))
    return words[0], shape, rest[::2]


def param(call: Call, name: str) -> str | None:
    """Return a parameter by its lower-cased name; an empty one counts as none."""
    for key, value in call.params:
        if key.lower() == name:
            return value or None
    return None


def choice(call: Call, name: str, choices: dict[str, _Choice]) -> _Choice | None:
    """Return what a parameter chooses, None when it is not given.

    Raises:
        BadValueError: it is none of the choices.
    """
    text = param(call, name)
    if text is None:
        return None
    # A Python 2 boolean arrives as `True` (official Python SDK of CAS).
    if text.lower() not in choices:
        raise BadValueError(f"Invalid {name}: {text}")
    return choices[text.lower()]


def number(name: str, text: str) -> int:
    """Return a decimal number.

    Raises:
        BadValueError: `text` is none.
    """
    if not re.fullmatch(r"\d{1,18}", text):
        raise BadValueError(f"Invalid {name}: {text}")
    return int(text)


def page(call: Call, longest: int) -> tuple[str, int]:
    """Return the marker (empty = the first page) and the limit of a list, at most `longest`.

    Raises:
        BadValueError: the limit is no number or zero.
    """
    text = param(call, "limit")
    limit = longest if text is None else number("limit", text)
    if limit < 1:
        raise BadValueError(f"Invalid limit: {limit}")
    return param(call, "marker") or "", min(limit, longest)


def header(call: Call, name: str) -> str:
    """Return a header by its lower-cased name.

    Raises:
        MissingValueError: it is missing.
    """
    value = call.headers.get(name)
    if value is None or not value.strip():
        raise MissingValueError(f"{name} is missing")
    return value


def is_utf8(text: str) -> bool:
    """Say whether a text has no stray surrogates, which no one could store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def own_number(call: Call, prefix: str, name: str) -> int:
    """Return the number in one of the service's own headers.

    Raises:
        MissingValueError: it is missing.
        BadValueError: it is no number.
    """
    return number(prefix + name, header(call, prefix + name))


def description(call: Call, wire: Wire) -> str | None:
    """Return the description of the archive to be, if there is one.

    Raises:
        BadValueError: the service does not take it.
    """
    text = call.headers.get(f"{wire.header_prefix}archive-description")
    if text is not None:
        wire.check_description(text)
    return text or None


def digest(call: Call, name: str) -> bytes:
    """Return the digest in a header, which may be in either case (official tool of CAS).

    Raises:
        MissingValueError: it is missing.
        BadValueError: it is not hexadecimal.
    """
    text = header(call, name)
    try:
        return from_text(text)
    except ValueError as error:
        raise BadValueError(f"Invalid {name}: {text}") from error


def announced(call: Call, prefix: str) -> tuple[bytes, bytes]:
    """Return the plain hash and the tree hash that an upload announces.

    Raises:
        MissingValueError: one of them or the length is missing.
        BadValueError: the body is empty (official Python SDK of CAS; Glacier: an archive has at
            least one byte), or a hash is not hexadecimal.
    """
    if not number("Content-Length", header(call, "content-length")):
        raise BadValueError("An archive has at least one byte")
    return digest(call, f"{prefix}content-sha256"), digest(call, f"{prefix}sha256-tree-hash")


def check_body(body: Received, announced: tuple[bytes, bytes]) -> None:
    """Compare a body with the plain hash and the tree hash that were announced.

    Raises:
        WrongDigestError: one of them is another.
    """
    sha256, tree_hash = announced
    if body.digest != sha256:
        raise WrongDigestError("The body does not match the hash of its content")
    if SHA256.root(body.leaves) != tree_hash:
        raise WrongDigestError("The body does not match the tree hash")
