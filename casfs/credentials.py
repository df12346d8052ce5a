"""Keys, and the files of official tools that hold them."""

import configparser
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from casfs.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    """A key: its public identifier, and the secret, which signs requests and is never shown.

    Attributes:
        session_token: of a temporary key, None for a permanent one; as secret as the secret.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def current(self) -> "Credentials":
        """Return this key."""
        return self

    @property
    def identity(self) -> str:
        """Return what distinguishes this key from others; not a secret."""
        return self.access_key_id


def checked_identifier(text: str, name: str) -> str:
    """Return the identifier or session token of a key, stripped of white space.

    Both are sent in headers, so they must be visible ASCII characters.

    Args:
        text: as it was found.
        name: describes it in messages.

    Raises:
        ConfigError: it is malformed; the message does not quote it.
    """
    text = text.strip()
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise _no_key(text, name)
    return text


def checked_secret(text: str, name: str) -> str:
    """Return the secret of a key, stripped of white space; it signs requests and is never sent.

    Args:
        text: as it was found.
        name: describes it in messages.

    Raises:
        ConfigError: it is malformed; the message does not quote it.
    """
    text = text.strip()
    if not text.isprintable():
        raise _no_key(text, name)
    return text


def _no_key(text: str, name: str) -> ConfigError:
    if len(text.splitlines()) > 1:
        flaw = "a line break"
    elif any("\ud800" <= letter <= "\udfff" for letter in text):
        flaw = "bytes that are not UTF-8"
    elif text.isprintable():
        flaw = "a space" if text.isascii() else "a character that is not ASCII"
    else:
        flaw = "an invisible character"
    return ConfigError(f"{name} contains {flaw}, which no key does; copy the key again")


class KeySource(Protocol):
    """Supplies the key to sign with, which may change over time."""

    def current(self) -> Credentials:
        """Return the key to sign with now.

        Raises:
            DeniedError: it has expired and cannot be renewed.
        """
        ...

    @property
    def identity(self) -> str:
        """Return what distinguishes this key from others, even when renewed; not a secret."""
        ...


def owner(account: str, key: KeySource) -> str:
    """Return whose vaults a key sees: the named account's, or the key's own if that is "-".

    The cache is partitioned by it, because keys of different accounts must not share entries.
    """
    return f"key {key.identity}" if account == "-" else account


@dataclass(frozen=True)
class FoundSettings:
    """Settings and a key that were found in one place.

    Attributes:
        source: the place, for people.
        settings: endpoint, account and region, if they are there; no secret.
        keys: the key, None if it is missing or incomplete.
        access_key_id: public identifier of the key, None if it takes a request to know it.
        profile: the name of the profile, if the place has several.
        file: the file that holds the secret, None if no file does.
        use: the variable that selects it among several, "" if it is the default.
        account: the account of the key, None if unknown.
        fixed: whether the key cannot change while this process runs.
    """

    source: str
    settings: Mapping[str, str]
    keys: KeySource | None
    access_key_id: str | None
    profile: str | None = None
    file: Path | None = None
    use: str = ""
    account: str | None = None
    fixed: bool = False


def is_exposed(path: Path) -> bool:
    """Return whether users other than its owner may read a file."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def warn_if_exposed(path: Path) -> None:
    """Log a warning if a file that holds a secret may be read by others."""
    if is_exposed(path):
        log.warning("%s holds a secret and is readable by others; run: chmod 600 %s", path, path)


@dataclass(frozen=True)
class IniFile:
    """The credentials file of an official tool: one section of an INI file in the home directory.

    Attributes:
        name: of the file.
        section: the section to read.
        names: maps the tool's names of settings to ours; `port` is part of the endpoint.
    """

    name: str
    section: str
    names: Mapping[str, str]

    @property
    def place(self) -> str:
        """Return where the file is, for messages."""
        return f"~/{self.name}"

    def find(self, home: Path, profile: str | None) -> FoundSettings | None:
        """Return the settings in the file; None if it is missing or empty. It has one profile.

        Raises:
            ConfigError: the file exists and cannot be read.
        """
        del profile
        found = self._read(home / self.name)
        if found is not None and found.file is not None:
            warn_if_exposed(found.file)
        return found

    def list(self, home: Path) -> list[FoundSettings]:
        """Return the settings in the file, if there are any.

        Raises:
            ConfigError: as for `find`.
        """
        found = self._read(home / self.name)
        return [found] if found is not None else []

    def _read(self, path: Path) -> FoundSettings | None:
        # No interpolation, because secrets may contain "%".
        parser = configparser.ConfigParser(interpolation=None)
        try:
            # Windows editors write a byte order mark.
            if not parser.read(path, "utf-8-sig"):
                return None
        except (OSError, UnicodeDecodeError, configparser.Error):
            # The parser's message quotes the line, which may be the secret.
            raise ConfigError(
                f"{path} is not a credentials file with [{self.section}]; correct or remove it"
            ) from None
        section = parser[self.section] if parser.has_section(self.section) else {}
        settings = {
            ours: section[theirs] for theirs, ours in self.names.items() if section.get(theirs)
        }
        if not settings:
            return None
        place = f"of [{self.section}] in {path}"
        names = {ours: f"{theirs} {place}" for theirs, ours in self.names.items()}
        key_id, secret = (
            check(settings.pop(name), names[name]) if name in settings else None
            for name, check in _PARTS.items()
        )
        port = settings.pop("port", None)
        if port is not None and "endpoint" in settings:
            settings["endpoint"] = _with_port(settings["endpoint"], port)
        keys = Credentials(key_id, secret) if key_id and secret else None
        return FoundSettings(
            source=str(path),
            settings=settings,
            keys=keys,
            access_key_id=key_id,
            file=path if secret else None,
            account=settings.get("account"),
        )


_PARTS = {"access_key_id": checked_identifier, "secret_access_key": checked_secret}


def _with_port(host: str, port: str) -> str:
    """Return the URL of a host and a port; as in the official tools, only port 443 is https."""
    if "://" in host:
        return host
    scheme, usual = ("https", "443") if port.strip() == "443" else ("http", "80")
    return f"{scheme}://{host}" if port.strip() == usual else f"{scheme}://{host}:{port.strip()}"
