"""Settings as text: their names, the file and the environment that hold them, and their form.

The file is TOML, `config.toml` in the user's config directory (or where `CASFS_CONFIG` points):

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
from fractions import Fraction
from pathlib import Path
from typing import Any

from casfs.errors import ConfigError
from casfs.homes import config_directory


def config_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the configuration file, whether it exists or not."""
    named = environment.get("CASFS_CONFIG")
    return Path(named) if named else config_directory() / "config.toml"


def variable(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"CASFS_{setting.upper()}"


def environment_settings(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the settings in the environment; an empty one counts as not there."""
    return {
        name: environment[variable(name)]
        for name in NAMES | {VAULTS}
        if environment.get(variable(name))
    }


def file_profiles(path: Path) -> dict[str, dict[str, object]]:
    """Return the settings of every `[profiles.NAME]` in the file; none if there is no file.

    Raises:
        ConfigError: the file cannot be read, or has a setting that is none.
    """
    try:
        profiles = tomllib.loads(path.read_text("utf-8-sig")).get("profiles", {})
    except FileNotFoundError:
        profiles = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; correct it") from error
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise ConfigError(f"{path}: `profiles` must be tables; write [profiles.NAME]")
    return profiles


def check_names(settings: Mapping[str, object], path: Path) -> None:
    """Refuse a setting that there is not.

    Raises:
        ConfigError: names it.
    """
    if unknown := settings.keys() - NAMES - {VAULTS}:
        raise ConfigError(
            f"{path}: unknown setting {', '.join(sorted(unknown))}; correct or remove"
        )


def vault_names(settings: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of vaults in the settings: a list, a text with commas, or tables.

    Raises:
        ConfigError: it is something else.
    """
    told = settings.get(VAULTS, ())
    names = told.split(",") if isinstance(told, str) else told
    if not isinstance(names, list | tuple | dict) or not all(isinstance(n, str) for n in names):
        raise ConfigError(
            f'`{VAULTS}` must be a list of names, or tables; write {VAULTS} = ["VAULT", ...], or '
            f"[profiles.NAME.{VAULTS}.VAULT] for each"
        )
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def vault_settings(settings: Mapping[str, object], setting: str) -> dict[str, object]:
    """Return the values of a setting in a profile's tables for single vaults, by vault.

    Raises:
        ConfigError: the tables are none, or have another setting, which no vault has of its own.
    """
    tables = settings.get(VAULTS, {})
    if not isinstance(tables, dict):
        # It names vaults, and says nothing more of them.
        return {}
    if not all(isinstance(t, dict) for t in tables.values()):
        raise ConfigError(f"`{VAULTS}` must be tables; write [profiles.NAME.{VAULTS}.VAULT]")
    for vault, table in tables.items():
        if unknown := table.keys() - {setting}:
            raise ConfigError(
                f"vault {vault!r} has an unknown setting {', '.join(sorted(unknown))}; "
                f"a vault may have {setting}"
            )
    return {vault: table[setting] for vault, table in tables.items() if table}


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


def _count_or_no_limit(text: str, name: str) -> int | None:
    return None if text.strip().lower() == NO_LIMIT else _count(text, name)


def _seconds(text: str, name: str) -> float:
    return _number(text, name, 0.01)


def _seconds_or_never(text: str, name: str) -> float:
    return _number(text, name, 0)


NO_LIMIT = "no limit"
"""What a count says that nothing limits."""

NUMBERS: dict[str, Callable[[str, str], Any]] = {
    "cache_size": parse_size,
    "memory_size": parse_size,
    "connections": _count,
    "attempts": _count_or_no_limit,
    "connect_timeout": _seconds,
    "read_timeout": _seconds,
    "deadline": _seconds,
    "listing_ttl": _seconds_or_never,
}
"""Settings that are numbers, and what reads them."""

NAMES = NUMBERS.keys() | {
    "dialect", "endpoint", "region", "account", "access_key_id", "secret_access_key", "cache_dir",
    "aws_profile", "description_rules",
}  # fmt: skip
"""All settings that there are."""

KEY = {"access_key_id", "secret_access_key"}
"""Those that are a key together."""

VAULTS = "vaults"
"""Names of vaults; in the file also tables for single ones, `[profiles.NAME.vaults.VAULT]`."""


def text(settings: Mapping[str, object], name: str, default: str = "") -> str:
    """Return a setting as text, whatever it was in the file."""
    return str(settings.get(name, default)).strip() or default
