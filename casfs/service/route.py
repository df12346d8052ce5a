"""How requests leave this machine: by which proxy, and whose certificates they trust.

Both are read from the environment, as in other programs. What is there and does not exist can
never work, and is said at once, with the name of the variable.
"""

import importlib.util
import os
import socket
import ssl
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.utils import select_proxy

from casfs.errors import CasfsError, ConfigError, RequestError

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which requests looks at them."""
_PATH_VARIABLES = (
    *("AWS_CA_BUNDLE", *_CA_VARIABLES, "SSL_CERT_DIR", "SSL_CERT_FILE", "SSLKEYLOGFILE"),
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_DATA_PATH", "CASFS_CONFIG"),
    *("FUSE_LIBRARY_PATH", "HOME", "SQLITE_TMPDIR", "TMPDIR", "NETRC"),
)
"""Those that casfs and its libraries look at after a mount has left its directory."""
_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")


class Route:
    """The way to one endpoint, as the environment has it when this is made.

    Args:
        endpoint: URL of scheme, host and port.
        ca_variables: variables that name certificates before those that all programs look at.
        ca_file: what else names certificates, after those variables, and their absolute path.

    Attributes:
        settings: arguments of a session's `send`.
        checked: `check` found nothing, and no connection has failed since.
        reached: an answer came, so that what fails may come back.
    """

    def __init__(
        self,
        endpoint: str,
        ca_variables: Iterable[str] = (),
        ca_file: tuple[str, str] | None = None,
    ) -> None:
        # Looking through the environment takes as long as all the rest of a request.
        with requests.Session() as session:
            self.settings: dict[str, Any] = dict(
                session.merge_environment_settings(endpoint, {}, True, None, None)
            )
        self._ca_name: str | None = None
        for name, path in _certificates(ca_variables, ca_file):
            self._ca_name, self.settings["verify"] = name, os.path.abspath(path)
            break
        scheme = endpoint.partition("://")[0]
        proxy = select_proxy(endpoint, self.settings["proxies"])
        self._proxy_variable = next(_proxy_variables(scheme), "the proxy") if proxy else None
        self._proxy = proxy or ""
        self._encrypted = scheme == "https" or self._proxy.lower().startswith("https:")
        self.checked = False
        self.reached = False

    def check(self) -> None:
        """Refuse what can never work.

        Raises:
            ConfigError: a proxy of an unknown kind, one that needs a package that is missing, or
                certificates that do not exist or are none.
        """
        if self.checked:
            return
        if self._proxy_variable is not None:
            self._check_proxy(self._proxy_variable)
        if self._ca_name is not None and self._encrypted:
            self._check_certificates(self._ca_name, self.settings["verify"])
        self.checked = True

    def explain(self, causes: Iterable[BaseException]) -> CasfsError | None:
        """Return what is wrong on this machine if that is why a connection failed, else None."""
        self.checked = False
        try:
            self.check()
        except ConfigError as error:
            return error
        if self._proxy_variable is None or self.reached:
            return None
        parts = self._proxy_parts()
        # A SOCKS proxy may leave it to us to look up the endpoint.
        signs: tuple[type[OSError], ...] = (ConnectionRefusedError,)
        if parts.scheme not in _SOCKS:
            signs = (ConnectionRefusedError, socket.gaierror)
        for cause in causes:
            if isinstance(cause, signs):
                return RequestError(
                    f"{self._proxy_variable} names the proxy {_place(parts)}, which does not answer"
                    f" ({cause.strerror}); correct it, or start the proxy"
                )
        return None

    def _check_proxy(self, variable: str) -> None:
        try:
            parts = self._proxy_parts()
            place = _place(parts)
        except ValueError:
            raise ConfigError(
                f"{variable} is not the URL of a proxy; write http://HOST:PORT"
            ) from None
        if not parts.hostname:
            raise ConfigError(f"{variable} names no host; write http://HOST:PORT")
        if parts.scheme in _SOCKS:
            if importlib.util.find_spec("socks") is None:
                raise ConfigError(
                    f"{variable} names the SOCKS proxy {place}, which needs a package that is not "
                    "installed; run: pip install PySocks"
                )
        elif parts.scheme not in ("http", "https"):
            raise ConfigError(
                f"{variable} names a proxy of an unknown kind, {place}; "
                "write http://, https://, socks4:// or socks5h:// in front of its host"
            )

    def _check_certificates(self, variable: str, path: str) -> None:
        """Raise if there are no certificates at a path, a file or a directory of hashed names."""
        try:
            if os.path.isdir(path):
                os.scandir(path).close()
            else:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except ssl.SSLError:
            raise ConfigError(
                f"{variable} names {path}, which holds no certificates (PEM); correct or unset it"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"{variable} names {path}, which cannot be read ({error.strerror}); "
                "correct or unset it"
            ) from error

    def _proxy_parts(self) -> SplitResult:
        # A proxy without a scheme is one of HTTP: so requests takes it.
        return urlsplit(self._proxy if "://" in self._proxy else f"http://{self._proxy}")


def make_paths_absolute(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the paths in the environment go on meaning the same in another working directory."""
    for name in _PATH_VARIABLES:
        path = environment.get(name, "")
        if path and not path.startswith("~"):
            environment[name] = os.path.abspath(path)


def _certificates(
    first: Iterable[str], ca_file: tuple[str, str] | None
) -> Iterator[tuple[str, str]]:
    """Yield what names certificates to trust, and their path; the first one counts."""
    yield from _set(first)
    if ca_file is not None:
        yield ca_file
    yield from _set(_CA_VARIABLES)


def _set(variables: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in variables:
        if path := os.environ.get(name):
            yield name, path


def _place(parts: SplitResult) -> str:
    """Return a proxy without user and password, which may not be shown.

    Raises:
        ValueError: the port is none.
    """
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def _proxy_variables(scheme: str) -> Iterator[str]:
    """Yield the variables that may name the proxy for a scheme, and are set."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        for spelling in (name, name.upper()):
            if os.environ.get(spelling):
                yield spelling
