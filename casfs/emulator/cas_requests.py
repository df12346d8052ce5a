"""Reads what requests of Tencent CAS say in their paths, parameters and headers."""

import re
from typing import TypeVar
from urllib.parse import unquote

from casfs.emulator import cas_form
from casfs.emulator.dialect import Call, Reply
from casfs.emulator.errors import BadValueError, WrongDigestError
from casfs.emulator.incoming import Received
from casfs.treehash import SHA256, from_text

_LIST_LIMIT = 1000
"""Items in the longest list (CAS documentation, List Vaults)."""

_DESCRIPTION_LIMIT = 1024
"""Bytes of the longest archive description (CAS documentation, Initiate Multipart Upload)."""

_Choice = TypeVar("_Choice")


class ReplyError(Exception):
    """Carries an error answer out of the middle of a call."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


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
    # A Python 2 boolean arrives as `True` (official Python SDK).
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


def page(call: Call) -> tuple[str, int]:
    """Return the marker (empty = the first page) and the limit of a list.

    Raises:
        BadValueError: the limit is no number or zero.
    """
    text = param(call, "limit")
    limit = _LIST_LIMIT if text is None else number("limit", text)
    if limit < 1:
        raise BadValueError(f"Invalid limit: {limit}")
    return param(call, "marker") or "", min(limit, _LIST_LIMIT)


def header(call: Call, name: str) -> str:
    """Return a header by its lower-cased name.

    Raises:
        ReplyError: it is missing.
    """
    value = call.headers.get(name)
    if value is None or not value.strip():
        raise ReplyError(cas_form.error("MissingParameterValueException", f"{name} is missing"))
    return value


def description(call: Call) -> str | None:
    """Return the description of the archive to be, if there is one.

    Raises:
        BadValueError: it is too long.
    """
    text = call.headers.get("x-cas-archive-description")
    if text is not None and len(text.encode("utf-8", "surrogateescape")) > _DESCRIPTION_LIMIT:
        raise BadValueError(f"The archive description is longer than {_DESCRIPTION_LIMIT} bytes")
    if text is not None and not is_utf8(text):
        raise BadValueError("The archive description is not UTF-8")
    return text or None


def is_utf8(text: str) -> bool:
    """Say whether a text has no stray surrogates, which no one could store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def digest(call: Call, name: str) -> bytes:
    """Return the digest in a header, which may be in either case (official command line tool).

    Raises:
        ReplyError: it is missing.
        BadValueError: it is not hexadecimal.
    """
    text = header(call, name)
    try:
        return from_text(text)
    except ValueError as error:
        raise BadValueError(f"Invalid {name}: {text}") from error


def announced(call: Call) -> tuple[bytes, bytes]:
    """Return the plain hash and the tree hash that an upload announces.

    Raises:
        ReplyError: one of them or the length is missing.
        BadValueError: the body is empty (official Python SDK), or a hash is not hexadecimal.
    """
    if not number("Content-Length", header(call, "content-length")):
        raise BadValueError("An archive has at least one byte")
    return digest(call, "x-cas-content-sha256"), digest(call, "x-cas-sha256-tree-hash")


def check_body(body: Received, announced: tuple[bytes, bytes]) -> None:
    """Compare a body with the plain hash and the tree hash that were announced.

    Raises:
        WrongDigestError: one of them is another.
    """
    sha256, tree_hash = announced
    if body.digest != sha256:
        raise WrongDigestError("The body does not match x-cas-content-sha256")
    if SHA256.root(body.leaves) != tree_hash:
        raise WrongDigestError("The body does not match x-cas-sha256-tree-hash")
