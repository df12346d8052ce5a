"""The origin as a process, for tests: what it holds, how it misbehaves, what it was asked."""

import json
import os
import signal
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support import origin
from tests.support.forked import ForkedServer
from tests.support.origin_account import made_bytes
from tests.support.starting import printed_url


class RunningOrigin:
    """An origin in a process of its own; a context manager that ends it.

    Args:
        root: a folder for its files.
        vaults: what it holds, as `origin_account` describes.
        port: 0 for a free one; that of an origin that was stopped, to come back at its place.
        dialect: cas or glacier.
        tls: certificate and key.
        pace: bytes a second of each connection.
    """

    def __init__(
        self,
        root: Path,
        vaults: dict[str, Any],
        *,
        port: int = 0,
        dialect: str = "cas",
        tls: tuple[Path, Path] | None = None,
        pace: int = 0,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._account, self._control = root / "account.json", root / "control.json"
        self._log, self._errors = root / "requests.jsonl", root / "stderr.txt"
        self.hold(vaults)
        self.misbehave()
        self._options = ["--dialect", dialect]
        if tls is not None:
            self._options += ["--tls", *map(str, tls)]
        if pace:
            self._options += ["--pace", str(pace)]
        self.port = port
        self.start()

    def start(self) -> None:
        """Start it; one that was stopped comes back at its place."""
        arguments = [str(self._account), "--control", str(self._control), "--log", str(self._log)]
        arguments += ["--port", str(self.port), *self._options]
        self._process = ForkedServer(origin.main, arguments, os.environ, self._errors)
        try:
            self.url = printed_url(self._process.output, self._errors)
        except BaseException:
            self.stop()
            raise
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> "RunningOrigin":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def make_ready(self, vault: str) -> None:
        """Let it make the bytes of all outputs of a vault now, for which no deadline has room."""
        with urllib.request.urlopen(f"{self.url}/-/vaults/{vault}/jobs", timeout=60) as answer:
            answer.read()

    def hold(self, vaults: dict[str, Any]) -> None:
        """Hold these vaults from the next request on."""
        _replace(self._account, {"vaults": vaults})

    def misbehave(self, *rules: dict[str, Any]) -> None:
        """Follow these rules of `origin_control` from the next request on; none: behave well."""
        _replace(self._control, {"rules": rules})

    def requests(self, call: str | None = None) -> list[dict[str, Any]]:
        """What was asked so far, or so much of it as was one call."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        asked = [json.loads(line) for line in lines]
        return [one for one in asked if call in (None, one["call"])]

    def stop(self) -> None:
        """End it, and every connection with it."""
        self._process.kill()
        self._process.wait(60)
        self._process.close()

    def pause(self) -> None:
        """Let it say nothing; the kernel goes on to accept connections for it."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it say what it did not while it was paused."""
        os.kill(self._process.pid, signal.SIGCONT)


def content(job: dict[str, Any]) -> bytes:
    """The bytes of a job, as the origin serves them when it behaves well."""
    if "@text" in job:
        text: str = job["@text"]
        return text.encode("utf-8", "surrogateescape")
    return made_bytes(job.get("@size", 0), job.get("@seed", 1))


def _replace(path: Path, facts: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(facts))
    new.replace(path)
