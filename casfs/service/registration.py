"""What is known of a service before there is an account: endpoints, regions, where keys are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from casfs.credentials import FoundSettings, KeySource
from casfs.service.dialect import Dialect


class OfficialKeys(Protocol):
    """Where the official tools of a service keep keys and settings.

    Attributes:
        place: the place, for messages.
    """

    @property
    def place(self) -> str: ...  # noqa: D102 - as above

    def find(self, home: Path, profile: str | None) -> FoundSettings | None:
        """Return what they would use, None if there is nothing.

        Args:
            home: the user's home directory.
            profile: which of several sets, where the tools know several.

        Raises:
            ConfigError: it is there and cannot be used.
            DeniedError: it asks somebody for the key, and gets none.
        """
        ...

    def list(self, home: Path) -> list[FoundSettings]:
        """Return everything that they know; asks nobody on the network.

        Raises:
            ConfigError: as `find`.
        """
        ...


@dataclass(frozen=True)
class Registration:
    """What is known of a dialect before there is an account.

    Attributes:
        endpoint_in: region, profile of the official tools -> URL of the service there.
        region: an example of a region, for messages.
        regions: those that are known; there may be more.
        keys: where the official tools keep keys.
        dialect: account in the path, key, region -> the dialect.
        signs_region: requests are signed for a region, so that there must be one, whatever the
            endpoint; else a region only stands for its endpoint.
        names_account: requests name an account; else a key alone says whose vaults are meant.
        tool_settings: profile of the official tools -> the `endpoint` that they ask and the
            `ca_bundle` that they trust, whatever key signs; None if they have no such settings.
    """

    endpoint_in: Callable[[str, str | None], str]
    region: str
    keys: OfficialKeys
    dialect: Callable[[str, KeySource, str], Dialect]
    signs_region: bool = False
    names_account: bool = True
    regions: tuple[str, ...] = ()
    tool_settings: Callable[[str | None], Mapping[str, str]] | None = None


def by_region(url: str) -> Callable[[str, str | None], str]:
    """Return an `endpoint_in` that puts the region into a URL with `{region}` in it."""

    def endpoint_in(region: str, profile: str | None) -> str:
        del profile
        return url.format(region=region)

    return endpoint_in
