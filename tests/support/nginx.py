"""nginx for tests: in a folder and on a port of its own, and never left behind."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import wait_until

SECONDS = 30

_CONFIG = """
daemon off;
user {user};
pid {root}/nginx.pid;
error_log {root}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {root}/temporary;
    proxy_temp_path {root}/temporary;
    fastcgi_temp_path {root}/temporary;
    uwsgi_temp_path {root}/temporary;
    scgi_temp_path {root}/temporary;
{site}
}}
"""


@contextlib.contextmanager
def running_nginx(root: Path, site: str, **more: object) -> Iterator[int]:
    """Run nginx; gives its port.

    Args:
        root: a folder for its files.
        site: what stands inside of `http`, in which `{root}`, `{port}` and `more` are filled in.
        more: what else is.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "install nginx-light: these tests are never skipped"
    port = free_port()
    (root / "temporary").mkdir()
    filled = site.format(root=root, port=port, **more)
    config = _CONFIG.format(root=root, user=getpass.getuser(), site=filled)
    (root / "nginx.conf").write_text(config)
    with serving([program, "-p", root, "-c", root / "nginx.conf", "-e", root / "error.log"], port):
        yield port


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextlib.contextmanager
def serving(
    command: list[str | Path], port: int, errors: Path | None = None, **environment: str
) -> Iterator[None]:
    """Run a server that is to listen on that port, from when it does until the end of the test.

    Args:
        command: the program and its arguments.
        port: of 127.0.0.1.
        errors: takes its standard error; None = nowhere.
        environment: more variables.
    """
    with contextlib.ExitStack() as files:
        told = files.enter_context(errors.open("ab")) if errors else subprocess.DEVNULL
        process = subprocess.Popen(
            command, stdout=told, stderr=told, env={**os.environ, **environment}
        )
    try:
        wait_until(lambda: _answers(port) or process.poll() is not None, f"{command[0]} to answer")
        assert process.poll() is None, (command, errors and errors.read_text())
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def _answers(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
