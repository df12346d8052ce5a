"""Why a call failed, in the words of a user: no class, number or source line of Python."""

import http.client
import re
import socket
import ssl

from casfs.errors import CasfsError
from casfs.sanitize import shown

_TLS_REASONS = {
    "WRONG_VERSION_NUMBER": "the other end does not speak TLS",
    "UNEXPECTED_EOF_WHILE_READING": "the connection was closed during the TLS handshake",
    "RECORD_LAYER_FAILURE": "the other end does not speak TLS",
}
_INTERNAL = re.compile(
    r"\[Errno -?\d+\] |\[(?:SSL|X509)[^\]]*\] | ?\(_ssl\.c:\d+\)|<[^<>]* at 0x[0-9a-f]+>:? ?"
    r"|HTTPS?ConnectionPool\([^)]*\): "
)
"""What Python and its libraries put around the words of the system."""


def reason(error: BaseException) -> str:
    """Return why something failed, as part of a sentence: "No space left on device"."""
    if isinstance(error, CasfsError):
        return str(error)
    if isinstance(error, ssl.SSLError):
        return _tls_reason(error)
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved ({error.strerror or error})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else _with_file(error)
    if isinstance(error, http.client.IncompleteRead):
        return "the answer broke off"
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, ConnectionError):
        return "the answer is not HTTP"
    text = _INTERNAL.sub("", str(error)).strip()
    return text or _spoken(type(error).__name__)


def _with_file(error: OSError) -> str:
    return f"{error.strerror}: {shown(str(error.filename))}"


def _tls_reason(error: ssl.SSLError) -> str:
    # One that Python did not get from OpenSSL has no reason.
    name = getattr(error, "reason", None) or ""
    if name in _TLS_REASONS:
        return _TLS_REASONS[name]
    text = name.replace("_", " ").lower() or _INTERNAL.sub("", error.strerror or str(error))
    return f"TLS failed: {text.strip()}"


def _spoken(name: str) -> str:
    """Return the name of a class in words: "connection reset"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.removesuffix("Error")).lower()
    return words or "it failed"
