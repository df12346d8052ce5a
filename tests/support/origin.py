"""An archive service of the standard library that misbehaves as a control file says.

It shares no code with casfs or its emulator, so that a mistake of theirs does not hide in it. It
speaks the wire form of CAS or Glacier, checks no signature, and knows of reading alone.

    python -m tests.support.origin ACCOUNT [--control FILE] [--log FILE] [--port P] [--pace BYTES]
                                   [--dialect cas|glacier] [--tls CERTIFICATE KEY]

The kernel sends at most `--pace` bytes a second over each connection.

What it holds is described in `origin_account`, how it misbehaves in `origin_control`. It prints
its URL once it answers, and a line of JSON in the log for each answer it has sent.
"""

import argparse
import contextlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.origin_account import Account, wait_for
from tests.support.origin_control import Call, Control, Reply, changed

_PIECE = 1 << 16
_SO_MAX_PACING_RATE = 47
"""From Linux's asm-generic/socket.h; Python's socket module has no name for it."""


@dataclass(frozen=True)
class Form:
    """How a dialect names things on the wire."""

    arn: str
    arn_key: str
    hash_header: str
    id_header: str
    key: re.Pattern[str]


FORMS = {
    "cas": Form(
        "qcs:id/0:cas:ap-chengdu:uid/1250000000:vaults/",
        "VaultQCS",
        "x-cas-sha256-tree-hash",
        "x-cas-requestid",
        re.compile(r"q-ak=([^&]*)"),
    ),
    "glacier": Form(
        "arn:aws:glacier:us-east-1:123456789012:vaults/",
        "VaultARN",
        "x-amz-sha256-tree-hash",
        "x-amzn-RequestId",
        re.compile(r"Credential=([^/]*)"),
    ),
}
_PATH = re.compile(r"/[^/]+/vaults(?:/([^/]+)(?:(/jobs)(?:/([^/]+)(/output)?)?)?)?/?")


class Origin(ThreadingHTTPServer):
    """The service; each connection has a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, form: Form, account: Account, control: Control, log: Path | None):
        super().__init__(("127.0.0.1", port), _Handler)
        self.form, self.account, self.control = form, account, control
        self._log, self._lock = log, threading.Lock()

    def note(self, entry: dict[str, Any]) -> None:
        """Write a line of the log."""
        if self._log is not None:
            with self._lock, self._log.open("a") as log:
                log.write(json.dumps(entry) + "\n")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is not worth a word."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Origin

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep standard error for what is wrong."""

    def do_GET(self) -> None:
        call = self._call()
        do = self.server.control.rule(call)
        if "wait" in do:
            wait_for(Path(do["wait"]), 600)
        if "delay" in do:
            time.sleep(do["delay"])
        if do.get("hang"):
            self._note(call, None, do)
            self._hang()
        elif do.get("drop"):
            self._note(call, None, do)
            self.close_connection = True
        elif "raw" in do:
            self._note(call, None, do)
            self.wfile.write(do["raw"].encode("latin-1"))
            self.close_connection = True
        else:
            form = self.server.form
            reply = changed(self._reply(call, do), do, form.hash_header)
            self._note(call, reply, do)
            self._send(reply)

    def _call(self) -> Call:
        path = urlsplit(self.path).path
        found = _PATH.fullmatch(path)
        key = self.server.form.key.search(self.headers.get("Authorization", ""))
        vault, jobs, job, output = found.groups() if found else (None,) * 4
        name = "vault" if vault else "vaults"
        if jobs:
            name = "output" if output else "job" if job else "jobs"
        return Call(
            name if found else "other",
            unquote(vault) if vault else None,
            unquote(job) if job else None,
            self.headers.get("Range"),
            key[1] if key else "",
        )

    def _reply(self, call: Call, do: dict[str, Any]) -> Reply:
        account = self.server.account
        if "error" in do:
            return self._error(do.get("status", 400), do["error"])
        if call.name == "other":
            return self._error(404, "ResourceNotFoundException")
        if call.name == "vaults":
            listed = [account.vault(name) for name in sorted(account.vaults)]
            return self._json(self._page("VaultList", listed))
        vault = account.vault(call.vault or "")
        if vault is None:
            return self._error(404, "ResourceNotFoundException")
        if call.name == "vault":
            return self._json(vault)
        if call.name == "jobs":
            return self._json(self._page("JobList", account.jobs(call.vault or "")))
        job = account.job(call.vault or "", call.job or "")
        if job is None:
            return self._error(404, "ResourceNotFoundException")
        return self._json(job) if call.name == "job" else self._output(call, job, do)

    def _output(self, call: Call, job: dict[str, Any], do: dict[str, Any]) -> Reply:
        output = self.server.account.output(call.vault or "", call.job or "")
        size = len(output.data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", call.range or "")
        start, stop = (int(asked[1]), min(int(asked[2]) + 1, size)) if asked else (0, size)
        if job["StatusCode"] != "Succeeded" or (asked and start >= size):
            return self._error(400, "InvalidParameterValueException")
        headers = {"Content-Type": "application/octet-stream"}
        if job["Action"] == "InventoryRetrieval":
            json_ = job["InventoryRetrievalParameters"]["Format"] == "JSON"
            headers["Content-Type"] = "application/json" if json_ else "text/csv"
        ranged = asked and not do.get("whole")
        if ranged:
            stop = min(stop, start + do.get("most", size))
        else:
            start, stop = 0, size
        if ranged and not do.get("part"):
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        digest = output.tree_hash(start, stop)
        if digest is not None:
            headers[self.server.form.hash_header] = digest
        shift = do.get("shift", 0)
        body = output.data[start + shift : stop + shift]
        body += output.data[: stop - start - len(body)]
        return self._ided(Reply(206 if "Content-Range" in headers else 200, body, headers))

    def _page(self, key: str, items: list[Any]) -> dict[str, Any]:
        query = parse_qs(urlsplit(self.path).query)
        start, limit = int(query.get("marker", ["0"])[0]), int(query.get("limit", ["1000"])[0])
        more = start + limit < len(items)
        return {key: items[start : start + limit], "Marker": str(start + limit) if more else None}

    def _error(self, status: int, code: str) -> Reply:
        facts = {"code": code, "message": f"the origin says {code}", "type": "Client"}
        return self._json(facts, status)

    def _json(self, value: Any, status: int = 200) -> Reply:
        body = json.dumps(value).encode()
        return self._ided(Reply(status, body, {"Content-Type": "application/json"}))

    def _ided(self, reply: Reply) -> Reply:
        reply.headers[self.server.form.id_header] = "origin-request"
        return reply

    def _send(self, reply: Reply) -> None:
        do = reply.do
        version = do.get("http", "1.1")
        lines = [f"HTTP/{version} {reply.status} Said"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        chunked = "Transfer-Encoding" in reply.headers
        stop = next((do[name] for name in ("cut", "reset", "stall") if name in do), None)
        body = memoryview(reply.body)[:stop]
        for at in range(0, len(body), _PIECE):
            piece = body[at : at + _PIECE]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if chunked else piece)
            if "rate" in do:
                time.sleep(len(piece) / do["rate"])
        if chunked and stop is None:
            self.wfile.write(b"0\r\n\r\n")
        unframed = not chunked and "Content-Length" not in reply.headers
        self.close_connection = bool(stop is not None or unframed or version == "1.0")
        self.close_connection |= "length" in do or "close" in reply.headers.get("Connection", "")
        if "stall" in do:
            self._hang()
        elif "reset" in do:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _hang(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            while self.connection.recv(4096):
                pass

    def _note(self, call: Call, reply: Reply | None, do: dict[str, Any]) -> None:
        self.server.note(
            {
                "time": time.time(),
                "call": call.name,
                "vault": call.vault,
                "job": call.job,
                "range": call.range,
                "query": urlsplit(self.path).query,
                "key": call.key,
                "status": reply.status if reply else None,
                "bytes": len(reply.body) if reply else 0,
                "connection": self.client_address[1],
                "did": sorted(do),
            }
        )


def main() -> None:
    """Serve until ended by a signal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("account", type=Path)
    parser.add_argument("--control", type=Path, default=Path("/nonexistent"))
    parser.add_argument("--log", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dialect", choices=sorted(FORMS), default="cas")
    parser.add_argument("--tls", type=Path, nargs=2)
    parser.add_argument("--pace", type=int)
    given = parser.parse_args()
    form = FORMS[given.dialect]
    account = Account(given.account, form.arn, form.arn_key)
    server = Origin(given.port, form, account, Control(given.control), given.log)
    if given.pace:
        # Accepted connections inherit these. Ten packets are not paced, so they are to be small.
        server.socket.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, given.pace)
        server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    scheme = "http"
    if given.tls:
        scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*given.tls)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    print(f"{scheme}://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
