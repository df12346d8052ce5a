"""Keys, and the files in which people already have them."""

import configparser
import logging
from dataclasses import dataclass, field
from pathlib import Path

from casfs.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    """A key: its public identifier, and the secret that signs and is never shown."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def identity(self) -> str:
        """Return what tells this key from others, and is no secret."""
        return self.access_key_id


def owner(account: str, key: Credentials) -> str:
    """Return whose vaults a key sees: a named account's, or, where that is "-", the key's own.

    What is cached is kept by it: keys of different accounts must never see each other's.
    """
    return f"key {key.identity}" if account == "-" else account


def official_settings(home: Path) -> dict[str, object]:
    """Return the settings in `~/.cascmd_credentials`, the file of Tencent's own `cascmd.py`.

    Its `endpoint` is a bare host that cascmd asks over plain HTTP; ours goes to https unless the
    user names another endpoint. A missing file is no settings.

    Raises:
        ConfigError: the file is there and cannot be read.
    """
    path = home / ".cascmd_credentials"
    # A secret may hold "%", which the default interpolation would take for a reference.
    parser = configparser.ConfigParser(interpolation=None)
    try:
        if not parser.read(path, "utf-8"):
            return {}
    except (OSError, UnicodeDecodeError, configparser.Error):
        # The parser's own message quotes the line, which may be the secret.
        raise ConfigError(
            f"{path} is not a credentials file of cascmd; correct or remove it"
        ) from None
    if path.stat().st_mode & 0o077:
        log.warning("%s holds a secret and others may read it; run: chmod 600 %s", path, path)
    section = parser["CASCredentials"] if parser.has_section("CASCredentials") else {}
    names = {
        "endpoint": "endpoint",
        "appid": "account",
        "secretid": "access_key_id",
        "secretkey": "secret_access_key",
    }
    return {ours: section[theirs] for theirs, ours in names.items() if section.get(theirs)}
