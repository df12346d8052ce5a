"""A key that was replaced under a mount: used only if it sees the vaults of the same account.

Where requests name no account, a key alone says whose vaults are meant. One of another account
would show that account's vaults and jobs under the names of those before, or as an empty list.
"""

import threading
from collections.abc import Callable, Iterator, Sequence

from casfs.credentials import KeySource
from casfs.deadline import Deadline
from casfs.errors import ConfigError, ForbiddenError, NotFoundError, UnreachableError
from casfs.model import Vault
from casfs.service.service import Service

_DESCRIBED = 3
"""Vaults that are described one by one for a key that may not list them."""


class SameAccount:
    """Refuses a key that sees other vaults than the key before.

    Nothing tells of a new key whose account it is before it was used, so that its vaults are
    listed once. Full names of vaults say which account they belong to, except those of Aliyun
    OAS; there at least one vault must be the same.

    Lock order: its one lock is innermost, and is not held while the service is asked.

    Args:
        service_with: returns a service whose requests a key signs.
        known: returns name and description of the vaults that the key before saw, and whether each
            was listed last.
    """

    def __init__(
        self,
        service_with: Callable[[KeySource], Service],
        known: Callable[[], Sequence[tuple[str, str, bool]]],
    ) -> None:
        self._service_with = service_with
        self._known = known
        self._lock = threading.Lock()
        self._asked: set[Service] = set()
        self._closed = False

    def check(self, key: KeySource, seconds: float) -> None:
        """Check a new key.

        Args:
            key: the new key.
            seconds: how long that may take.

        Raises:
            ConfigError: it is of another account.
            CasfsError: the service refuses it, or does not answer in time.
        """
        listed = [text for _, text, listed in self._known() if listed]
        if not listed:
            return
        service = self._service_with(key)
        try:
            with self._lock:
                if self._closed:
                    raise UnreachableError("the client is closed")
                self._asked.add(service)
            known = [service.parse_vault(text) for text in listed]
            seen = _seen(service, known, Deadline(seconds))
        finally:
            with self._lock:
                self._asked.discard(service)
            service.close()
        if seen is not None:
            _compare(known, seen, key)

    def close(self) -> None:
        """End a check under way with an error, and every later one."""
        with self._lock:
            self._closed = True
            asked = list(self._asked)
        for service in asked:
            service.close()


def _seen(service: Service, known: Sequence[Vault], deadline: Deadline) -> list[Vault] | None:
    """Return the vaults that a key sees; None if it may see none that would tell its account."""
    try:
        return list(service.vaults(deadline))
    except ForbiddenError:
        seen = list(_described(service, known, deadline))
    described = [vault for vault in seen if vault is not None]
    # A key that may look at none can take none away either.
    return described if seen else None


def _described(
    service: Service, known: Sequence[Vault], deadline: Deadline
) -> Iterator[Vault | None]:
    """Yield the known vaults that a key may look at, None for one that it does not find."""
    for vault in known[:_DESCRIBED]:
        try:
            yield service.vault(vault.name, deadline)
        except NotFoundError:
            yield None
        except ForbiddenError:
            continue


def _compare(known: Sequence[Vault], seen: list[Vault], key: KeySource) -> None:
    """Check that vaults are of the account of those that were known.

    Raises:
        ConfigError: they are not.
    """
    theirs = {vault.account for vault in seen} - {None}
    ours = {vault.account for vault in known} - {None}
    if theirs and ours:
        same = theirs == ours
        accounts = ", ".join(sorted(map(str, theirs)))
        told = f"belongs to account {accounts}, not {sorted(map(str, ours))[0]}"
    else:
        same = bool({vault.address for vault in seen} & {vault.address for vault in known})
        told = "sees none of the known vaults, so it seems to belong to another account"
    if not same:
        raise ConfigError(
            f"the new key {key.current().access_key_id} {told}; put back a key of the same "
            "account, or unmount and mount again to use the new one"
        )
