"""Parses the paths, parameters and headers of requests."""

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote

from casfs.emulator.api.dialect import Call
from casfs.emulator.api.wire import Wire
from casfs.emulator.engine.errors import (
    BadDigestError,
    BadParamError,
    BadValueError,
    MissingLengthError,
    MissingValueError,
    NotThereError,
    WrongDigestError,
)
from casfs.emulator.engine.incoming import Received
from casfs.treehash import TreeHash, from_text

_Choice = TypeVar("_Choice")


def routed(path: str, has_account: bool) -> tuple[str, str, list[str]]:
    """Split `/<account>/vaults/a/jobs/b` into the account, `*/jobs/*` and `[a, b]`.

    The account is `-` if paths have none. Paths that are not about vaults, such as
    `/<account>/policies/data-retrieval`, are returned as they are, without the account.
    """
    words = [unquote(word) for word in path.split("/")[1:]]
    if not has_account:
        words = ["-", *words]
    if len(words) < 2 or words[1] != "vaults":
        return words[0], "/" + "/".join(words[1:]), []
    rest = words[2:]
    shape = "/".join("*" if at % 2 == 0 else word for at, word in enumerate(rest))
    return words[0], shape, rest[::2]


def param(call: Call, name: str) -> str | None:
    """Return a parameter by its lower-case name; None if it is missing or empty."""
    for key, value in call.params:
        if key.lower() == name:
            return value or None
    return None


def choice(call: Call, name: str, choices: dict[str, _Choice]) -> _Choice | None:
    """Return what a parameter chooses; None if it is missing.

    Raises:
        BadParamError: it is not one of the choices.
    """
    text = param(call, name)
    if text is None:
        return None
    # The official Python SDK of CAS sends booleans as `True`.
    if text.lower() not in choices:
        raise BadParamError(f"Invalid {name}: {text}")
    return choices[text.lower()]


def number(name: str, text: str) -> int:
    """Parse a decimal number.

    Raises:
        BadValueError: `text` is not a number.
    """
    if not re.fullmatch(r"\d{1,18}", text):
        raise BadValueError(f"Invalid {name}: {text}")
    return int(text)


def page(call: Call, longest: int) -> tuple[str, int]:
    """Return the marker (empty = the first page) and the limit of a list, at most `longest`.

    Raises:
        BadParamError: the limit is not a positive number.
    """
    text = param(call, "limit")
    limit = str(longest) if text is None else text
    if not re.fullmatch(r"\d{1,18}", limit) or not int(limit):
        raise BadParamError(f"Invalid limit: {limit}")
    return param(call, "marker") or "", min(int(limit), longest)


def check_marker(marker: str, wire: Wire, look_up: Callable[[str], object]) -> None:
    """Check that a marker names an existing item, if the service checks that.

    Args:
        marker: the marker; may be empty.
        wire: the specifics of the service.
        look_up: raises NotThereError if the item does not exist.

    Raises:
        BadParamError: it does not name an existing item.
    """
    if not marker or not wire.words.checks_markers:
        return
    try:
        look_up(marker)
    except NotThereError as error:
        raise BadParamError(f"Invalid marker: {marker}") from error


def header(call: Call, name: str) -> str:
    """Return a header by its lower-case name.

    Raises:
        MissingValueError: it is missing.
    """
    value = call.headers.get(name)
    if value is None or not value.strip():
        raise MissingValueError(f"{name} is missing")
    return value


def is_utf8(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8: it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def own_number(call: Call, prefix: str, name: str) -> int:
    """Return the number in a header that is specific to the service.

    Raises:
        MissingValueError: it is missing.
        BadValueError: it is not a number.
    """
    return number(prefix + name, header(call, prefix + name))


def description(call: Call, wire: Wire) -> str | None:
    """Return the description of the archive to upload, if there is one.

    Raises:
        BadValueError: the service does not accept it.
    """
    text = call.headers.get(f"{wire.header_prefix}archive-description")
    if text is not None:
        wire.check_description(text)
    return text or None


def digest(call: Call, name: str) -> bytes:
    """Return the digest in a header, in upper or lower case (official tool of CAS).

    Raises:
        MissingValueError: it is missing.
        BadDigestError: it is not hexadecimal.
    """
    text = header(call, name)
    try:
        return from_text(text)
    except ValueError as error:
        raise BadDigestError(f"Invalid {name}: {text}") from error


def announced(call: Call, wire: Wire) -> tuple[bytes, bytes]:
    """Return the plain hash and the tree hash that an upload announces.

    Raises:
        MissingLengthError: the length is missing.
        MissingValueError: one of them is missing.
        BadValueError: the body is empty; an archive has at least one byte (official Python SDKs of
            CAS and OAS; Glacier documentation).
        BadDigestError: a hash is not hexadecimal.
    """
    if "content-length" not in call.headers:
        raise MissingLengthError("content-length is missing")
    if not number("Content-Length", call.headers["content-length"]):
        raise BadValueError("An archive has at least one byte")
    prefix, words = wire.header_prefix, wire.words
    return digest(call, prefix + words.content_hash), digest(call, prefix + words.tree_hash)


def check_body(tree: TreeHash, body: Received, announced: tuple[bytes, bytes]) -> None:
    """Compare a body with the plain hash and the tree hash that were announced.

    Raises:
        WrongDigestError: one of them does not match.
    """
    content_hash, tree_hash = announced
    if body.digest != content_hash:
        raise WrongDigestError("The body does not match the hash of its content")
    if tree.root(body.leaves) != tree_hash:
        raise WrongDigestError("The body does not match the tree hash")
