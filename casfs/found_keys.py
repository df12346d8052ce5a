"""Finds the key in our settings, and finds keys again after they were replaced."""

from collections.abc import Callable, Mapping

from casfs.credentials import (
    Credentials,
    FoundSettings,
    KeySource,
    checked_identifier,
    checked_secret,
)
from casfs.errors import ConfigError
from casfs.settings import KEY, text, variable


def own_key(
    settings: Mapping[str, object], environment: Mapping[str, str], place: str
) -> Credentials | None:
    """Return the key in our settings; None if it is missing or incomplete.

    Raises:
        ConfigError: a part of it is malformed; the message names its place.
    """

    def part(name: str, check: Callable[[str, str], str]) -> str:
        inherited = environment.get(variable(name))
        return check(text(settings, name), variable(name) if inherited else f"{name} of {place}")

    if not all(text(settings, name) for name in KEY):
        return None
    return Credentials(
        part("access_key_id", checked_identifier), part("secret_access_key", checked_secret)
    )


def official_key_again(
    find: Callable[[], FoundSettings | None], before: FoundSettings, account: str
) -> KeySource | None:
    """Return the key that an official tool has now; None if it has none.

    Raises:
        CasfsError: it is not available, or belongs to another account than the previous key. If
            requests do not name an account, it would show that account's vaults instead.
    """
    now = find()
    if now is None:
        return None
    is_others = before.account and now.account and before.account != now.account
    if account == "-" and is_others:
        raise ConfigError(f"{now.source} now has a key of another account; remount to use it")
    return now.keys
