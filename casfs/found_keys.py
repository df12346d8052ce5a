"""Keys as they are found, the first time and again."""

from collections.abc import Callable, Mapping

from casfs.credentials import (
    Credentials,
    Found,
    KeySource,
    checked_identifier,
    checked_secret,
)
from casfs.errors import ConfigError
from casfs.settings import KEY, text, variable


def own_key(
    settings: Mapping[str, object], environment: Mapping[str, str], place: str
) -> Credentials | None:
    """Return the key in settings of ours; None if it is not whole.

    Raises:
        ConfigError: a part of it is none; names where it stands.
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
    find: Callable[[], Found | None], before: Found, account: str
) -> KeySource | None:
    """Return the key that an official tool has now; None if it has none.

    Raises:
        CasfsError: it cannot be had, or is of another account than the key before. Where requests
            name no account, it would show that account's vaults in place of these.
    """
    now = find()
    if now is None:
        return None
    is_others = before.account and now.account and before.account != now.account
    if account == "-" and is_others:
        raise ConfigError(f"{now.source} has a key of another account now; mount again to use it")
    return now.keys
