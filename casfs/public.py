"""What casfs offers to other programs, beside its `Client`."""

from casfs.client import Client
from casfs.config import load
from casfs.errors import ConfigError
from casfs.settings import NAMES, VAULTS


def open_account(profile: str | None = None, **settings: object) -> Client:
    """Return a client of an account.

    Args:
        profile: name of a profile in the configuration file; by default `CASFS_PROFILE`, else
            "default".
        settings: settings by their names in a profile, such as `endpoint="..."`. They beat the
            environment, and the environment beats the profile.

    Raises:
        ConfigError: a setting is missing, unknown or malformed, or the cache directory cannot be
            used.
        DeniedError: the official tool's key cannot be had.
    """
    if unknown := settings.keys() - NAMES - {VAULTS}:
        known = ", ".join(sorted(NAMES | {VAULTS}))
        raise ConfigError(f"unknown setting {', '.join(sorted(unknown))}; known: {known}")
    return Client(load(profile, settings))
