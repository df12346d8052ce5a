"""Directories below the user's home; some users have none, such as those in containers."""

from collections.abc import Callable
from pathlib import Path

import platformdirs

from casfs.errors import ConfigError

NO_HOME = Path("/nonexistent")
"""Stands in for the home of a user who has none."""


def home() -> Path:
    """Return the user's home, or `NO_HOME` if there is none."""
    return _found(Path.home) or NO_HOME


def config_directory() -> Path:
    """Return the directory of the configuration file."""
    return _found(lambda: platformdirs.user_config_path("casfs")) or NO_HOME


def cache_directory() -> Path:
    """Return the default cache directory.

    Raises:
        ConfigError: there is no home.
    """
    return _needed(lambda: platformdirs.user_cache_path("casfs"), "--cache-dir")


def state_directory() -> Path | None:
    """Return the default state directory, with the record of requests; None if there is no home."""
    return _found(lambda: platformdirs.user_state_path("casfs"))


def log_directory() -> Path:
    """Return the default directory of logs.

    Raises:
        ConfigError: there is no home.
    """
    return _needed(lambda: platformdirs.user_log_path("casfs"), "--log-file")


def is_log_directory(path: Path) -> bool:
    """Return whether `path` is the default directory of logs."""
    return path == _found(lambda: platformdirs.user_log_path("casfs"))


def expanded(path: str, setting: str) -> Path:
    """Return a path made absolute, with `~` expanded.

    Raises:
        ConfigError: the home does not exist; the message names the setting.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise ConfigError(f"{setting} {path!r}: no such home; use an absolute path") from None


def _needed(find: Callable[[], Path], option: str) -> Path:
    found = _found(find)
    if found is None:
        raise ConfigError(f"there is no home directory; use {option}, or set HOME")
    return found


def _found(find: Callable[[], Path]) -> Path | None:
    try:
        found = find()
    except RuntimeError:
        return None
    return found if found.is_absolute() else None
