"""Settings as text: their names, where they are read from, and how they are parsed.

The file is TOML: `config.toml` in the configuration directory, then `/etc/casfs/config.toml`; or
the file that `CASFS_CONFIG` names.

    [profiles.default]
    region = "ap-chengdu"
    account = "1250000000"
    access_key_id = "..."
    secret_access_key = "..."
"""

import difflib
import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from casfs.bandwidth import parse_bandwidth
from casfs.errors import ConfigError
from casfs.homes import config_directory

SYSTEM_CONFIG = Path("/etc/casfs/config.toml")
"""The configuration file of the system, for mounts of fstab and for profiles that users share."""


def config_files(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the configuration files, whether they exist or not; an earlier one comes first.

    That is the file that `CASFS_CONFIG` names, or the user's own and that of the system, if this
    user may read it.
    """
    if named := environment.get("CASFS_CONFIG"):
        return [Path(named)]
    own = config_directory() / "config.toml"
    return [own, SYSTEM_CONFIG] if os.access(SYSTEM_CONFIG, os.R_OK) else [own]


def variable(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"CASFS_{setting.upper()}"


def environment_settings(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the settings in the environment; empty variables are ignored."""
    return {
        name: environment[variable(name)]
        for name in NAMES | {VAULTS}
        if environment.get(variable(name))
    }


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the end of a message about a name that does not exist: the nearest, or all."""
    if nearest := difflib.get_close_matches(name, sorted(known), 1):
        return f"did you mean {nearest[0]}?"
    return f"known: {', '.join(sorted(known))}"


def vault_names(settings: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of vaults in the settings: a list, a text with commas, or tables.

    Raises:
        ConfigError: it is none of these.
    """
    value = settings.get(VAULTS, ())
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple | dict) or not all(isinstance(n, str) for n in names):
        raise ConfigError(
            f'`{VAULTS}` must be a list of names, or tables; write {VAULTS} = ["VAULT", ...], or '
            f"[profiles.NAME.{VAULTS}.VAULT] for each"
        )
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def vault_settings(settings: Mapping[str, object], setting: str) -> dict[str, object]:
    """Return the values of a setting in a profile's tables for single vaults, by vault.

    Raises:
        ConfigError: the tables are malformed, or have a setting that is not per vault.
    """
    tables = settings.get(VAULTS, {})
    if not isinstance(tables, dict):
        # A list only names the vaults.
        return {}
    if not all(isinstance(t, dict) for t in tables.values()):
        raise ConfigError(f"`{VAULTS}` must be tables; write [profiles.NAME.{VAULTS}.VAULT]")
    for vault, table in tables.items():
        if unknown := table.keys() - {setting}:
            raise ConfigError(
                f"vault {vault!r} has an unknown setting {', '.join(sorted(unknown))}; "
                f"the only setting of a vault is {setting}"
            )
    return {vault: table[setting] for vault, table in tables.items() if table}


def parse_size(text: str, name: str) -> int:
    """Return the bytes that a text such as `20GiB`, `500M` or `1048576` means (1024-based).

    Raises:
        ConfigError: the text is not a size; the message names the setting `name`.
    """
    match = re.fullmatch(
        r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([kmgtp]?)(?:i?b)?", text.strip().lower()
    )
    if not match:
        raise ConfigError(f"{name} must be a size such as 20GiB or 500M, not {text!r}")
    return int(Fraction(match[1]) * 1024 ** " kmgtp".index(match[2] or " "))


def parse_duration(text: str, name: str) -> float:
    """Return the seconds that a text such as `90`, `15m`, `6h` or `1h30m` means.

    Raises:
        ConfigError: the text is not a duration; the message names the setting `name`.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    try:
        if match and any(match.groups()):
            parts = zip(match.groups(), _DURATION_UNITS, strict=True)
            seconds = sum(float(number) * unit for number, unit in parts if number)
            if seconds <= _LONGEST_DURATION:
                return seconds
    except ValueError:
        pass
    raise ConfigError(f"{name} must be a duration such as 90s, 15m or 1h30m, not {text!r}")


def _place(text: str, name: str) -> str:
    if text not in PLACES:
        raise ConfigError(f"{name} must be {' or '.join(PLACES)}, not {text!r}")
    return text


def _number(text: str, name: str, smallest: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not smallest <= value < math.inf:
        raise ConfigError(f"{name} must be a number of at least {smallest:g}, not {text!r}")
    return value


def _count(text: str, name: str) -> int:
    value = _number(text, name, 1)
    if not value.is_integer():
        raise ConfigError(f"{name} must be an integer of at least 1, not {text!r}")
    return int(value)


def _count_or_no_limit(text: str, name: str) -> int | None:
    return None if text.strip().lower() == NO_LIMIT else _count(text, name)


def _seconds(text: str, name: str) -> float:
    return _number(text, name, 0.01)


def _seconds_or_never(text: str, name: str) -> float:
    return _number(text, name, 0)


_DURATION = re.compile(
    r"(?:([0-9.]{1,30})d)?(?:([0-9.]{1,30})h)?(?:([0-9.]{1,30})m)?(?:([0-9.]{1,30})s?)?"
)
_LONGEST_DURATION = 36500 * 86400.0
"""A century in seconds: dates that are farther away cannot be computed."""
_DURATION_UNITS = (86400.0, 3600.0, 60.0, 1.0)

EXPIRING_WITHIN = 6 * 3600.0
"""Seconds before the service drops an output from which on it counts as expiring, by default."""

PLACES = ("inside", "outside")
"""Where this machine may be: in the service's region, where traffic may cost nothing, or not."""

NO_LIMIT = "no limit"
"""The text for an unlimited count."""

NUMBERS: dict[str, Callable[[str, str], Any]] = {
    "cache_size": parse_size,
    "memory_size": parse_size,
    "connections": _count,
    "attempts": _count_or_no_limit,
    "connect_timeout": _seconds,
    "read_timeout": _seconds,
    "deadline": _seconds,
    "listing_ttl": _seconds_or_never,
    "settle_seconds": _seconds,
    "bwlimit": parse_bandwidth,
    "expiring_within": parse_duration,
}
"""Settings that are numbers, and their parsers."""

CHOICES: dict[str, Callable[[str, str], str]] = {"traffic": _place}
"""Settings that have one of a few values, and what checks them."""

NAMES = NUMBERS.keys() | CHOICES.keys() | {
    "dialect", "endpoint", "region", "account", "access_key_id", "secret_access_key", "cache_dir",
    "state_dir", "aws_profile", "description_rules",
}  # fmt: skip
"""All settings."""

KEY = {"access_key_id", "secret_access_key"}
"""The settings that make up a key."""

PROFILES = "profiles"
"""The table in the file that has a table of settings for each profile."""

VAULTS = "vaults"
"""Names of vaults; in the file also a table per vault, `[profiles.NAME.vaults.VAULT]`."""

PRICES = "prices"
"""The table of prices in a profile, `[profiles.NAME.prices]`; only the file has it."""


def text(settings: Mapping[str, object], name: str, default: str = "") -> str:
    """Return a setting as text, whatever its type in the file."""
    return str(settings.get(name, default)).strip() or default
