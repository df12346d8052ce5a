"""Keys, and the files in which people already have them."""

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
    """A key: its public identifier, and the secret that signs and is never shown.

    Attributes:
        session_token: proves a temporary key, None for a lasting one; as secret as the secret.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def current(self) -> "Credentials":
        """Return the key: this one."""
        return self

    @property
    def identity(self) -> str:
        """Return what tells this key from others, and is no secret."""
        return self.access_key_id


def checked_identifier(text: str, name: str) -> str:
    """Return the identifier of a key, or its session token, without blanks around it.

    Both stand in headers as they are, so they are visible ASCII characters.

    Args:
        text: as it was found.
        name: what its finder calls it, for the message.

    Raises:
        ConfigError: it is none; never tells what it is.
    """
    text = text.strip()
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise _no_key(text, name)
    return text


def checked_secret(text: str, name: str) -> str:
    """Return the secret of a key, without blanks around it; it signs and is never sent.

    Args:
        text: as it was found.
        name: what its finder calls it, for the message.

    Raises:
        ConfigError: it is none; never tells what it is.
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
        flaw = "a blank" if text.isascii() else "a character that is not ASCII"
    else:
        flaw = "a character that cannot be seen"
    return ConfigError(f"{name} holds {flaw}, which no key does; copy the key again")


class KeySource(Protocol):
    """Has the key to sign with, which may be another one after a while."""

    def current(self) -> Credentials:
        """Return the key to sign with now.

        Raises:
            DeniedError: it has run out, and there is no new one.
        """
        ...

    @property
    def identity(self) -> str:
        """Return what tells this key from others, and stays when it is renewed; no secret."""
        ...


def owner(account: str, key: KeySource) -> str:
    """Return whose vaults a key sees: a named account's, or, where that is "-", the key's own.

    What is cached is kept by it: keys of different accounts must never see each other's.
    """
    return f"key {key.identity}" if account == "-" else account


@dataclass(frozen=True)
class Found:
    """Settings that were found in one place.

    Attributes:
        source: the place, as a person names it.
        settings: endpoint, account, region, as far as they are there; no secret.
        keys: what signs, None if there is no whole key.
        access_key_id: public identifier of the key, None if it is not known without asking.
        profile: which one it is, where the place has several.
        file: the file that holds the secret, None if none does.
        use: variables to set to have it used among several, "" if it is used anyway.
        account: whose the key is, None if nothing tells it.
        fixed: whether the key stands where nothing changes while this process lasts.
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
    """Return whether others than its owner may read a file."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def warn_if_exposed(path: Path) -> None:
    """Log a warning about a file that holds a secret and that others may read."""
    if is_exposed(path):
        log.warning("%s holds a secret and others may read it; run: chmod 600 %s", path, path)


@dataclass(frozen=True)
class IniFile:
    """The credentials file of an official tool: one section of an INI file in the home directory.

    Attributes:
        name: of the file.
        section: that is read.
        names: their names of settings -> ours; `port` belongs to the endpoint.
    """

    name: str
    section: str
    names: Mapping[str, str]

    @property
    def place(self) -> str:
        """Return the place of the file, for messages."""
        return f"~/{self.name}"

    def find(self, home: Path, profile: str | None) -> Found | None:
        """Return what the file says; None if it is missing or says nothing. It has one profile.

        Raises:
            ConfigError: the file is there and cannot be read.
        """
        del profile
        found = self._read(home / self.name)
        if found is not None and found.file is not None:
            warn_if_exposed(found.file)
        return found

    def list(self, home: Path) -> list[Found]:
        """Return what the file says.

        Raises:
            ConfigError: as `find`.
        """
        found = self._read(home / self.name)
        return [found] if found is not None else []

    def _read(self, path: Path) -> Found | None:
        # A secret may hold "%", which the default interpolation would take for a reference.
        parser = configparser.ConfigParser(interpolation=None)
        try:
            # Editors of Windows put a mark at the beginning.
            if not parser.read(path, "utf-8-sig"):
                return None
        except (OSError, UnicodeDecodeError, configparser.Error):
            # The parser's own message quotes the line, which may be the secret.
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
        return Found(
            source=str(path),
            settings=settings,
            keys=keys,
            access_key_id=key_id,
            file=path if secret else None,
            account=settings.get("account"),
        )


_PARTS = {"access_key_id": checked_identifier, "secret_access_key": checked_secret}


def _with_port(host: str, port: str) -> str:
    """Return the URL of a host and a port: as in the tools that write both, only 443 is https."""
    if "://" in host:
        return host
    scheme, usual = ("https", "443") if port.strip() == "443" else ("http", "80")
    return f"{scheme}://{host}" if port.strip() == usual else f"{scheme}://{host}:{port.strip()}"
