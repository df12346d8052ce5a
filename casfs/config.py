"""Where every setting comes from: flag, environment, file, then the official tool's own file.

The file is TOML, `config.toml` in the user's config folder (or where `CASFS_CONFIG` points):

    [profiles.default]
    region = "ap-chengdu"
    account = "1250000000"
    access_key_id = "..."
    secret_access_key = "..."
"""

import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from casfs.credentials import Credentials, official_settings
from casfs.errors import ConfigError

DEFAULT_PROFILE = "default"
ENDPOINTS = {"cas": "https://cas.{region}.myqcloud.com"}
"""Endpoint of each dialect by region (Tencent CAS documentation, "Introduction")."""


@dataclass(frozen=True)
class Config:
    """Everything that a client needs to know.

    Attributes:
        dialect: the service's wire form.
        endpoint: URL with scheme and host, without a path.
        account: the account in the path, "-" for the one that owns the key.
        credentials: the key that signs requests.
        cache_dir: folder of the disk cache.
        cache_size: bytes that the disk cache may hold.
        memory_size: bytes of blocks kept in memory.
        connections: parallel GETs of outputs.
        connect_timeout: seconds to make a connection.
        read_timeout: seconds without a byte after which a connection counts as stalled.
        deadline: seconds after which a request, a read or a listing ends with an error.
        attempts: how often a request that may be repeated is sent at most.
        listing_ttl: seconds for which a listing is taken as fresh.
    """

    endpoint: str
    credentials: Credentials
    cache_dir: Path
    dialect: str = "cas"
    account: str = "-"
    cache_size: int = 20 << 30
    memory_size: int = 96 << 20
    connections: int = 8
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    deadline: float = 120.0
    attempts: int = 10
    listing_ttl: float = 60.0
    profile: str = field(default=DEFAULT_PROFILE, compare=False)


def load(
    profile: str | None = None,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Config:
    """Return the settings of a profile: flag beats environment beats file beats official file.

    Args:
        profile: name of a `[profiles.NAME]` table; else `CASFS_PROFILE`, else "default".
        flags: settings from the command line by name; None values count as not given.
        environment: where `CASFS_*` are looked up.
        home: home folder, for the official tool's credentials file.

    Raises:
        ConfigError: a setting is missing, unknown or malformed; the message names it.
    """
    name = profile or environment.get("CASFS_PROFILE")
    path = config_file(environment)
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    settings = (
        _from_file(path, name)
        | {key: environment[_variable(key)] for key in _SETTINGS if environment.get(_variable(key))}
        | given
    )
    if not ({"access_key_id", "secret_access_key"} & settings.keys()):
        settings = official_settings(home or Path.home()) | settings
    return _build(settings, name or DEFAULT_PROFILE, path)


def config_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the configuration file, whether it exists or not."""
    named = environment.get("CASFS_CONFIG")
    return Path(named) if named else platformdirs.user_config_path("casfs") / "config.toml"


def _variable(setting: str) -> str:
    return f"CASFS_{setting.upper()}"


def _from_file(path: Path, name: str | None) -> dict[str, object]:
    try:
        profiles = tomllib.loads(path.read_text("utf-8")).get("profiles", {})
    except FileNotFoundError:
        profiles = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; correct it") from error
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise ConfigError(f"{path}: `profiles` must be tables; write [profiles.NAME]")
    if name is not None and name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigError(
            f"there is no profile {name!r} in {path} (there: {known}); add [profiles.{name}]"
        )
    settings: dict[str, object] = profiles.get(name or DEFAULT_PROFILE, {})
    if unknown := settings.keys() - _SETTINGS:
        raise ConfigError(
            f"{path}: unknown setting {', '.join(sorted(unknown))}; correct or remove"
        )
    return settings


def _build(settings: dict[str, object], profile: str, path: Path) -> Config:
    def text(name: str, default: str = "") -> str:
        return str(settings.get(name, default)).strip()

    dialect = text("dialect", "cas")
    if dialect not in ENDPOINTS:
        raise ConfigError(f"unknown dialect {dialect!r}; known: {', '.join(ENDPOINTS)}")
    if not (text("access_key_id") and text("secret_access_key")):
        raise ConfigError(
            "no credentials; set CASFS_ACCESS_KEY_ID and CASFS_SECRET_ACCESS_KEY, or access_key_id "
            f"and secret_access_key of [profiles.{profile}] in {path}"
        )
    cache_dir = text("cache_dir") or str(platformdirs.user_cache_path("casfs"))
    return Config(
        endpoint=_endpoint(dialect, text("endpoint"), text("region")),
        credentials=Credentials(text("access_key_id"), text("secret_access_key")),
        cache_dir=Path(cache_dir).expanduser().absolute(),
        dialect=dialect,
        account=text("account", "-") or "-",
        profile=profile,
        **{name: parse(text(name), name) for name, parse in _NUMBERS.items() if name in settings},
    )


def _endpoint(dialect: str, endpoint: str, region: str) -> str:
    if not endpoint:
        if not re.fullmatch(r"[a-z0-9-]+", region):
            raise ConfigError(
                f"no endpoint (region: {region!r}); give --region ap-chengdu, or --endpoint URL"
            )
        return ENDPOINTS[dialect].format(region=region)
    url = endpoint if "://" in endpoint else f"https://{endpoint}"
    try:
        parts = urlsplit(url)
        # Looking at the port is what checks it.
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        # What stands before the host may be a password.
        told = endpoint.rpartition("@")[2]
        raise ConfigError(f"endpoint {told!r} is not an http or https URL or a host name")
    if parts.path.strip("/") or parts.query or parts.username or parts.password:
        raise ConfigError(f"endpoint of {parts.hostname}: give scheme, host and port only")
    return f"{parts.scheme}://{parts.netloc}"


def parse_size(text: str, name: str) -> int:
    """Return the bytes that a text such as `20GiB`, `500M` or `1048576` means (1024-based).

    Raises:
        ConfigError: the text is no size; the message names the setting `name`.
    """
    match = re.fullmatch(
        r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([kmgtp]?)(?:i?b)?", text.strip().lower()
    )
    if not match:
        raise ConfigError(f"{name} must be a size such as 20GiB or 500M, not {text!r}")
    return int(Fraction(match[1]) * 1024 ** " kmgtp".index(match[2] or " "))


def _number(text: str, name: str, smallest: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not smallest <= value < math.inf:
        raise ConfigError(f"{name} must be a number from {smallest:g}, not {text!r}")
    return value


def _count(text: str, name: str) -> int:
    value = _number(text, name, 1)
    if not value.is_integer():
        raise ConfigError(f"{name} must be a whole number from 1, not {text!r}")
    return int(value)


def _seconds(text: str, name: str) -> float:
    return _number(text, name, 0.01)


def _seconds_or_never(text: str, name: str) -> float:
    return _number(text, name, 0)


_NUMBERS: dict[str, Callable[[str, str], Any]] = {
    "cache_size": parse_size,
    "memory_size": parse_size,
    "connections": _count,
    "attempts": _count,
    "connect_timeout": _seconds,
    "read_timeout": _seconds,
    "deadline": _seconds,
    "listing_ttl": _seconds_or_never,
}
_SETTINGS = _NUMBERS.keys() | {
    "dialect", "endpoint", "region", "account", "access_key_id", "secret_access_key", "cache_dir",
}  # fmt: skip
