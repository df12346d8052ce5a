"""How the origin misbehaves: rules of a control file, which is read again at each request.

    {"rules": [{"when": {"call": "output", "job": "j1", "range": "bytes=0-99"},
                "skip": 1, "times": 2, "do": {"status": 503, "html": "<h1>busy</h1>"}}]}

The first rule that fits an answer changes it. `when` may name `call` (vaults, vault, jobs, job,
output, other; or a list of these), `vault`, `job`, `range` (the whole header), `from` (first byte
that is asked for), `behind` (least first byte), `key_not` (a list: any other signing key fits);
what is not named always fits.
A rule passes over the first `skip` requests that fit it, and then is good for `times` (all, if it
names none). `do` is a dictionary of the changes below, made in this order:

    wait        a path: answer when this file is gone, or after 600 s
    delay       seconds before the answer
    hang        true: say nothing until the client goes
    drop        true: close the connection without an answer
    raw         text (latin-1) that is sent instead of an answer
    whole       true: all of the output with 200, whatever range was asked for
    part        true: the range with 200 and without Content-Range
    most        bytes: no more of a range are given, and the headers say which
    shift       bytes: the body is of a range so many bytes farther on, with the right headers
    error       code: the service's own error, with `status` (400 if not named)
    html        text: a stranger's page, with `status` (200 if not named)
    json        any value, as body
    text        body as it is (latin-1)
    status      status
    hash        tree hash to send; "wrong" spoils it, null leaves it out
    flip        offset in the body of a byte to spoil
    pad         bytes to add behind the body
    encode      gzip or deflate: the body, with its Content-Encoding
    headers     name -> value; null leaves one out
    framing     length (the default), chunked, close (neither), both
    length      Content-Length to claim: a number, or "+n", "-n" of the true one
    http        "1.0"
    rate        bytes a second
    cut         send so many bytes of the body and close
    reset       send so many bytes of the body and reset
    stall       send so many bytes of the body and then nothing until the client goes
"""

import gzip
import json
import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@dataclass
class Call:
    """A request, as rules see it."""

    name: str
    vault: str | None
    job: str | None
    range: str | None
    key: str


@dataclass
class Reply:
    """An answer before it is sent, and how it is sent."""

    status: int
    body: bytes
    headers: dict[str, str]
    do: dict[str, Any] = field(default_factory=dict)


class Control:
    """The rules of a control file, and how often each was used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._fitted: Counter[str] = Counter()

    def rule(self, call: Call) -> dict[str, Any]:
        """What the first rule that fits says to do; nothing if none does."""
        try:
            rules = json.loads(self._path.read_text())["rules"]
        except FileNotFoundError:
            return {}
        for rule in rules:
            if not _fits(rule.get("when", {}), call):
                continue
            name = json.dumps(rule, sort_keys=True)
            with self._lock:
                self._fitted[name] += 1
                turn = self._fitted[name] - rule.get("skip", 0)
            if turn > 0 and turn <= rule.get("times", turn):
                do: dict[str, Any] = rule["do"]
                return do
        return {}


def _fits(when: Mapping[str, Any], call: Call) -> bool:
    calls = when.get("call", call.name)
    start = call.range.removeprefix("bytes=").partition("-")[0] if call.range else None
    return (
        call.name in (calls if isinstance(calls, list) else [calls])
        and when.get("vault", call.vault) == call.vault
        and when.get("job", call.job) == call.job
        and when.get("range", call.range) == call.range
        and ("from" not in when or str(when["from"]) == start)
        and ("behind" not in when or (start is not None and int(start) >= when["behind"]))
        and call.key not in when.get("key_not", [])
    )


def changed(reply: Reply, do: Mapping[str, Any], hash_header: str) -> Reply:
    """The answer with all changes to what it says; how it is sent stays in `do`."""
    reply.do = dict(do)
    if "html" in do:
        reply.status = 200
        reply.headers = {"Content-Type": "text/html; charset=utf-8", "Server": "gateway"}
    reply.status = do.get("status", reply.status)
    if "hash" in do:
        _change_hash(reply, do["hash"], hash_header)
    reply.body = _changed_body(reply.body, do)
    if "encode" in do:
        reply.headers["Content-Encoding"] = do["encode"]
    _change_framing(reply, do)
    for name, value in do.get("headers", {}).items():
        for old in [known for known in reply.headers if known.lower() == name.lower()]:
            del reply.headers[old]
        if value is not None:
            reply.headers[name] = value
    return reply


def _changed_body(body: bytes, do: Mapping[str, Any]) -> bytes:
    if "html" in do:
        body = do["html"].encode()
    if "json" in do:
        body = json.dumps(do["json"]).encode()
    if "text" in do:
        body = do["text"].encode("latin-1")
    if "flip" in do and body:
        at = do["flip"] % len(body)
        body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    body += random.Random(1).randbytes(do.get("pad", 0))
    return _ENCODERS[do["encode"]](body) if "encode" in do else body


def _change_hash(reply: Reply, value: str | None, header: str) -> None:
    known = reply.headers.pop(header, None)
    if value == "wrong":
        value = ("0" if (known or "f")[0] != "0" else "1") + (known or "f" * 64)[1:]
    if value is not None:
        reply.headers[header] = value


def _change_framing(reply: Reply, do: Mapping[str, Any]) -> None:
    framing = do.get("framing", "length")
    if framing in ("length", "both"):
        length, claimed = len(reply.body), do.get("length", len(reply.body))
        relative = isinstance(claimed, str)
        reply.headers["Content-Length"] = str(length + int(claimed) if relative else claimed)
    if framing in ("chunked", "both"):
        reply.headers["Transfer-Encoding"] = "chunked"
    if framing == "close":
        reply.headers["Connection"] = "close"
