"""The origin: an nginx of this run alone, that plays the archive service and a plain file server.

It serves the same files over several lines, each in plain HTTP and over TLS 1.3.
"""

import contextlib
import itertools
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import requests

from benchmarks import certificates, lines, processes
from benchmarks.contents import Contents
from benchmarks.lines import CLOUD, CRAWL, FAST, SLOW, Line
from benchmarks.processes import BenchmarkError

_TIMEOUT = 30.0
_HERE = Path(__file__).parent


class Scheme(StrEnum):
    """How clients speak to the origin."""

    HTTP = "http"
    TLS = "https"


@dataclass(frozen=True)
class Origin:
    """A running origin.

    Attributes:
        contents: what it serves; may be added to while it runs.
        ports: where it listens, for each line and scheme.
        scheme: of the URLs below.
    """

    contents: Contents
    ports: Mapping[tuple[Line, Scheme], int]
    scheme: Scheme = Scheme.HTTP

    @property
    def fast(self) -> str:
        """URL of the service without simulated network."""
        return self.url(FAST)

    @property
    def cloud(self) -> str:
        """URL of the service behind the line of a cloud."""
        return self.url(CLOUD)

    def url(self, line: Line) -> str:
        """Return the URL of the service behind a line."""
        return f"{self.scheme}://127.0.0.1:{self.ports[line, self.scheme]}"

    def over(self, scheme: Scheme) -> "Origin":
        """Return the same origin with URLs of a scheme."""
        return replace(self, scheme=scheme)

    def counters(self) -> dict[str, int]:
        """Return what was sent so far, by name.

        `requests METHOD KIND`, `bytes KIND`, `connections KIND` (that carried such an answer) and
        `requests over PROTOCOL CIPHER`.
        """
        told = requests.get(f"{self.over(Scheme.HTTP).fast}/counters", timeout=_TIMEOUT).text
        pairs = (line.partition("=") for line in told.splitlines())
        return {name: int(value) for name, _, value in pairs}


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Origin]:
    """Run an origin whose files stand in a folder of its own, until the context ends.

    Meanwhile, this program and all that it starts trust the origin's certificate.
    """
    folder.mkdir()
    with certificates.trusted(certificates.make(folder)), contextlib.ExitStack() as stack:
        contents = Contents(folder)
        stack.callback(contents.unpin)
        with contextlib.ExitStack() as listening:
            listeners = {
                (line, scheme): listening.enter_context(lines.listen(line))
                for line, scheme in itertools.product((FAST, CLOUD, SLOW, CRAWL), Scheme)
            }
            ports = {at: one.getsockname()[1] for at, one in listeners.items()}
            (folder / "nginx.conf").write_text(_configuration(ports), "ascii")
            log = folder / "error.log"
            process = _start(folder, list(listeners.values()), log)
            stack.callback(processes.end, process)
        origin = Origin(contents, ports)
        processes.wait_until(lambda: _answers(origin), process, "nginx", log)
        yield origin


def _start(folder: Path, listeners: list[socket.socket], log: Path) -> "subprocess.Popen[bytes]":
    """Start nginx on sockets that listen already, as a new nginx gets them from an old one."""
    files = [one.fileno() for one in listeners]
    return processes.start(
        ["nginx", "-p", f"{folder}/", "-c", folder / "nginx.conf"],
        log,
        {"NGINX": "".join(f"{file};" for file in files)},
        files,
    )


def _answers(origin: Origin) -> bool:
    try:
        return bool(origin.counters() or True)
    except requests.ConnectionError:
        return False


def _configuration(ports: Mapping[tuple[Line, Scheme], int]) -> str:
    server = (_HERE / "server.conf.in").read_text("ascii")
    servers = [
        _fill(
            server,
            {
                "PORT": str(port),
                "SSL": " ssl" if scheme is Scheme.TLS else "",
                "LATENCY": str(line.latency),
            },
        )
        for (line, scheme), port in ports.items()
    ]
    return _fill(
        (_HERE / "nginx.conf.in").read_text("ascii"),
        {
            "MODULES": _modules(),
            "LUA": str(_HERE),
            # Workers of another user could not read the folder of this run.
            "USER": "user root;" if os.geteuid() == 0 else "",
            "SERVERS": "\n" + "\n".join(servers),
        },
    )


def _fill(text: str, values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], text)


def _modules() -> str:
    """Return the folder of nginx's modules, which nginx itself tells."""
    told = subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=True).stderr
    match = re.search(r"--modules-path=(\S+)", told)
    if match is None or not Path(match[1], "ngx_http_lua_module.so").exists():
        raise BenchmarkError(
            "nginx lacks its Lua module; run: apt-get install nginx-light libnginx-mod-http-lua"
        )
    return match[1]
