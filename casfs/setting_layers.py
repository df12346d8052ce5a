"""Merges settings from several places: flag beats environment beats file beats official tool."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from casfs import config_file as files
from casfs.credentials import warn_if_exposed
from casfs.errors import ConfigError
from casfs.settings import environment_settings

if TYPE_CHECKING:
    from casfs.service.registration import Registration

DEFAULT_PROFILE = "default"


def merged(
    layers: Sequence[Mapping[str, object]], registration: "Registration | None" = None
) -> dict[str, object]:
    """Merge settings from several places; a later place beats an earlier one.

    With some dialects a region implies the endpoint: there it beats an earlier endpoint.
    """
    found: dict[str, object] = {}
    for layer in layers:
        if registration is not None and not registration.signs_region and "region" in layer:
            found.pop("endpoint", None)
        found |= layer
    return found


def of_profile(path: Path, name: str | None, must_exist: bool) -> dict[str, object]:
    """Return the settings of a profile in the configuration file.

    Raises:
        ConfigError: there is no such profile, or the file cannot be read.
    """
    file = files.read(path, must_exist)
    if name is not None and name not in file.profiles:
        known = ", ".join(sorted(file.profiles)) or "none"
        raise ConfigError(
            f"there is no profile {name!r} in {path} (there: {known}); add [profiles.{name}]"
        )
    settings = file.settings(name or DEFAULT_PROFILE)
    if "secret_access_key" in settings:
        warn_if_exposed(path)
    return settings


def read_again(
    path: Path,
    profile: str | None,
    environment: Mapping[str, str],
    given: Mapping[str, object],
) -> dict[str, object]:
    """Return our settings as they are now; an official tool's are not among them.

    Raises:
        ConfigError: as `of_profile`.
    """
    return merged([of_profile(path, profile, False), environment_settings(environment), given])
