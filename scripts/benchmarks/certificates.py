"""The certificates of a run, and the environment in which its programs trust them."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import BenchmarkError

_CONFIGURATION = Path(__file__).with_name("openssl.cnf")
_TRUST = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
"""What casfs, rclone and curl read."""


def make(folder: Path) -> Path:
    """Make `server.key` and `server.crt` for 127.0.0.1; return the authority that signed them.

    Raises:
        BenchmarkError: openssl failed; with what it said.
    """
    authority = _request(folder, "authority", "/CN=casfs benchmark authority")
    _request(
        folder, "server", "/CN=127.0.0.1", "-CA", authority, "-CAkey", folder / "authority.key"
    )
    return authority


def _request(folder: Path, name: str, subject: str, *signed_by: str | Path) -> Path:
    certificate = folder / f"{name}.crt"
    command = [
        *("openssl", "req", "-x509", "-config", _CONFIGURATION, "-extensions", name),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
        *("-subj", subject, "-keyout", folder / f"{name}.key", "-out", certificate, *signed_by),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"openssl made no certificate: {done.stderr.strip()[-500:]}")
    return certificate


@contextlib.contextmanager
def trusted(authority: Path) -> Iterator[None]:
    """Have this program and all that it starts trust an authority, until the context ends."""
    before = {name: os.environ.get(name) for name in _TRUST}
    os.environ.update(dict.fromkeys(_TRUST, str(authority)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
