"""The places below a user's home; there are users who have none, such as those of containers."""

from collections.abc import Callable
from pathlib import Path

import platformdirs

from casfs.errors import ConfigError

NO_HOME = Path("/nonexistent")
"""Stands for the home of a user who has none: nothing is there."""


def home() -> Path:
    """Return the user's home, `NO_HOME` if there is none."""
    return _found(Path.home) or NO_HOME


def config_directory() -> Path:
    """Return where settings are kept."""
    return _found(lambda: platformdirs.user_config_path("casfs")) or NO_HOME


def cache_directory() -> Path:
    """Return where the cache is kept.

    Raises:
        ConfigError: there is no home.
    """
    return _needed(lambda: platformdirs.user_cache_path("casfs"), "--cache-dir")


def log_directory() -> Path:
    """Return where logs are kept.

    Raises:
        ConfigError: there is no home.
    """
    return _needed(lambda: platformdirs.user_log_path("casfs"), "--log-file")


def is_log_directory(path: Path) -> bool:
    """Tell whether a directory is the one where logs are kept."""
    return path == _found(lambda: platformdirs.user_log_path("casfs"))


def expanded(path: str, setting: str) -> Path:
    """Return an absolute path whose `~` stands for a home.

    Raises:
        ConfigError: there is no such home; the message names the setting.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise ConfigError(f"{setting} {path!r}: there is no such home; give a full path") from None


def _needed(find: Callable[[], Path], option: str) -> Path:
    found = _found(find)
    if found is None:
        raise ConfigError(f"there is no home directory; give {option}, or set HOME")
    return found


def _found(find: Callable[[], Path]) -> Path | None:
    try:
        found = find()
    except RuntimeError:
        return None
    return found if found.is_absolute() else None
