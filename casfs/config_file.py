"""The configuration file: reads it, and says in which line a mistake is."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casfs.errors import ConfigError
from casfs.reasons import reason
from casfs.settings import (
    CHOICES,
    NAMES,
    NUMBERS,
    PRICES,
    PROFILES,
    VAULTS,
    did_you_mean,
    text,
    vault_names,
    vault_settings,
)

_MOST_ATTEMPTS = 300
"""Parts of a file that are tried to find in which line a value begins."""
_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file that was read.

    Attributes:
        path: where it is.
        profiles: name -> settings, as the file has them; `settings` checks them.
        content: its text, to find lines in.
    """

    path: Path
    profiles: dict[str, dict[str, object]] = field(default_factory=dict)
    content: str = field(default="", repr=False)

    def settings(self, profile: str) -> dict[str, object]:
        """Return the settings of a profile; empty if there is no such profile.

        Raises:
            ConfigError: a setting does not exist, or has a value that it cannot have; the message
                has file and line, and never the value of a key.
        """
        settings = self.profiles.get(profile, {})
        for name, value in settings.items():
            where = (PROFILES, profile, name)
            if name not in NAMES | {VAULTS, PRICES}:
                known = did_you_mean(name, NAMES | {VAULTS, PRICES})
                raise self._error(where, f"unknown setting {name}; {known}")
            try:
                _check(name, value)
            except ValueError as error:
                raise self._error(where, f"{name} is not a number that casfs can read") from error
            except ConfigError as error:
                raise self._error(where, str(error)) from error
        return settings

    def _error(self, where: Sequence[str], message: str) -> ConfigError:
        line = _line(self.content, where)
        place = f"{self.path}, line {line}" if line is not None else str(self.path)
        return ConfigError(f"{place}: {message}")


def with_profile(paths: Sequence[Path], profile: str) -> Path:
    """Return the first of several files that has a profile; if none has, the first that exists.

    Raises:
        ConfigError: as `read`.
    """
    # One file is read later, and then for good.
    if len(paths) > 1:
        for path in paths:
            if profile in read(path).profiles:
                return path
    return next(filter(Path.exists, paths), paths[0])


def read(path: Path, must_exist: bool = False) -> ConfigFile:
    """Return a configuration file; an empty one if there is none.

    Args:
        path: where it is.
        must_exist: whether the user named it, with `CASFS_CONFIG`.

    Raises:
        ConfigError: it cannot be read, is not TOML, or has more than tables `[profiles.NAME]`.
    """
    try:
        content = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        if not must_exist:
            return ConfigFile(path)
        raise ConfigError(
            f"{path}, which CASFS_CONFIG names, does not exist; create it, or unset CASFS_CONFIG"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; correct it") from error
    found = _parsed(path, content)
    profiles = found.get(PROFILES, {})
    file = ConfigFile(path, profiles, content)
    for name, value in found.items():
        if name != PROFILES:
            raise file._error([name], _misplaced(name, value))
    if not isinstance(profiles, dict):
        raise file._error([PROFILES], f"`{PROFILES}` must be tables; write [{PROFILES}.NAME]")
    for name, settings in profiles.items():
        if not isinstance(settings, dict):
            wanted = f"put it below [{PROFILES}.NAME]" if name in NAMES else "write [profiles.NAME]"
            raise file._error([PROFILES, name], f"`{PROFILES}` must be tables; {wanted}")
    return file


def _parsed(path: Path, content: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content)
    except RecursionError as error:
        raise ConfigError(f"{path} cannot be read: it is nested too deeply; correct it") from error
    except tomllib.TOMLDecodeError as error:
        last = content.count("\n") + 1
        why = reason(error).replace("at end of document", f"at line {last}, the end of the file")
        raise ConfigError(f"{path} cannot be read: {why}; correct it") from error
    except ValueError as error:
        raise ConfigError(
            f"{path} cannot be read: a number in it is too long; correct it"
        ) from error


def _misplaced(name: str, value: object) -> str:
    """Return what is wrong with a name at the top of the file."""
    if not isinstance(value, dict):
        return f"{name} is outside of a profile; put it below [{PROFILES}.NAME]"
    first = next((key for key, inner in value.items() if isinstance(inner, dict)), None)
    if first is None:
        return f"unknown table [{name}]; write [{PROFILES}.{name}] for a profile of that name"
    return f"unknown table [{name}.{first}]; did you mean [{PROFILES}.{first}]?"


def _check(name: str, value: object) -> None:
    """Check the value of a setting that exists.

    Raises:
        ConfigError: it is of a kind, or a number, that the setting cannot have.
        ValueError: it is a number of thousands of digits.
    """
    if name == VAULTS:
        vault_names({name: value})
        vault_settings({name: value}, "description_rules")
        return
    if name == PRICES:
        if not isinstance(value, dict):
            raise ConfigError(f"`{PRICES}` must be a table; write [{PROFILES}.NAME.{PRICES}]")
        return
    allowed = (str, int, float) if name in NUMBERS else (str, int) if name == "account" else (str,)
    if isinstance(value, bool) or not isinstance(value, allowed):
        kind = _KINDS.get(type(value), "a date or time")
        example = ' such as "a,b"' if isinstance(value, list) else ""
        wanted = "a number" if name in NUMBERS else f"text in quotes{example}"
        raise ConfigError(f"{name} must be {wanted}, not {kind}")
    written = text({name: value}, name)
    if name in NUMBERS:
        NUMBERS[name](written, name)
    if name in CHOICES:
        CHOICES[name](written, name)


def _line(content: str, keys: Sequence[str]) -> int | None:
    """Return the number of the line at which the value of nested keys begins.

    The parser does not report lines. The value begins after the longest part of the file that can
    be parsed and does not have it, which a binary search finds. None if that takes too long, as in
    a file with values of hundreds of lines.
    """
    lines = content.split("\n")
    without, end = 0, len(lines)
    attempts = _MOST_ATTEMPTS
    while end - without > 1:
        middle = count = (without + end) // 2
        while count < end and (found := _parsed_part(lines[:count])) is None:
            count += 1
            attempts -= 1
            if not attempts:
                return None
        if count < end and not _has(found, keys):
            without = count
        else:
            end = middle
    blank = ("", "#")
    while without + 1 < len(lines) and lines[without].strip()[:1] in blank:
        without += 1
    return without + 1


def _parsed_part(lines: Sequence[str]) -> dict[str, Any] | None:
    """Return the first lines of a file as TOML, None if they end within a value."""
    try:
        return tomllib.loads("\n".join(lines) + "\n")
    except (ValueError, RecursionError):
        return None


def _has(found: object, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            return False
        found = found[key]
    return True
