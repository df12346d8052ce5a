"""The origin: an nginx of this run alone, that plays the archive service and a plain file server.

It serves the same files at two addresses: as fast as loopback goes, and as a cloud does, with
40 ms to the first byte and 25 MB/s per connection.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks import processes
from benchmarks.contents import Contents
from benchmarks.processes import BenchmarkError

LATENCY = 0.040
"""Seconds to the first byte of the cloud."""

RATE = 25_000_000
"""Bytes per second and connection of the cloud."""

_PIECE = 64 * 4096
"""Bytes between two pauses of the cloud; see server.conf.in."""
_TIMEOUT = 30.0
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Origin:
    """A running origin.

    Attributes:
        contents: what it serves; may be added to while it runs.
        fast: URL of the service without simulated network.
        cloud: URL of the service with `LATENCY` and `RATE`.
    """

    contents: Contents
    fast: str
    cloud: str

    def counters(self) -> dict[str, int]:
        """Return what was sent so far: `requests METHOD KIND` and `bytes KIND`, by name."""
        lines = requests.get(f"{self.fast}/counters", timeout=_TIMEOUT).text.splitlines()
        pairs = (line.partition("=") for line in lines)
        return {name: int(value) for name, _, value in pairs}


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Origin]:
    """Run an origin whose files stand in a folder of its own, until the context ends."""
    folder.mkdir()
    contents = Contents(folder)
    ports = {"fast": processes.free_port(), "cloud": processes.free_port()}
    (folder / "nginx.conf").write_text(_configuration(ports), "ascii")
    log = folder / "error.log"
    process = processes.start(["nginx", "-p", f"{folder}/", "-c", folder / "nginx.conf"], log)
    try:
        origin = Origin(contents, *(f"http://127.0.0.1:{port}" for port in ports.values()))
        processes.wait_until(lambda: _answers(origin), process, "nginx", log)
        yield origin
    finally:
        contents.unpin()
        processes.end(process)


def _answers(origin: Origin) -> bool:
    try:
        return bool(origin.counters() or True)
    except requests.ConnectionError:
        return False


def _configuration(ports: dict[str, int]) -> str:
    server = (_HERE / "server.conf.in").read_text("ascii")
    shapes = {
        "fast": {"LATENCY": "0", "RATE": "0", "PIECE": "sendfile_max_chunk 2m;"},
        "cloud": {
            "LATENCY": str(LATENCY),
            "RATE": str(RATE),
            "PIECE": f"sendfile_max_chunk {_PIECE};",
        },
    }
    servers = [_fill(server, shapes[name] | {"PORT": str(port)}) for name, port in ports.items()]
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
