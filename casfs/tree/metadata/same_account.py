"""A key that was replaced during a mount: it is used only if it belongs to the same account.

If requests name no account, the key alone decides whose vaults are meant. The key of another
account would show that account's vaults and jobs in place of the previous ones, or nothing.
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
    """Rejects a key that sees other vaults than the previous key.

    Nothing says which account a new key belongs to before it is used, so its vaults are listed
    once. Full names of vaults contain the account, except with Aliyun OAS; there at least one vault
    must be the same.

    Lock order: its one lock is innermost, and is not held while the service is asked.

    Args:
        service_with: returns a service whose requests a key signs.
        known: returns name and description of the vaults that the previous key saw, and whether
            each is still listed.
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
            ConfigError: it belongs to another account.
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
    """Return the vaults that a key sees; None if it may see none that would reveal its account."""
    try:
        return list(service.vaults(deadline))
    except ForbiddenError:
        seen = list(_described(service, known, deadline))
    described = [vault for vault in seen if vault is not None]
    # A key that may look at none cannot hide any either.
    return described if seen else None


def _described(
    service: Service, known: Sequence[Vault], deadline: Deadline
) -> Iterator[Vault | None]:
    """Yield the known vaults that a key may look at, None for each that it does not find."""
    for vault in known[:_DESCRIBED]:
        try:
            yield service.vault(vault.name, deadline)
        except NotFoundError:
            yield None
        except ForbiddenError:
            continue


def _compare(known: Sequence[Vault], seen: list[Vault], key: KeySource) -> None:
    """Check that vaults belong to the same account as the known ones.

    Raises:
        ConfigError: they are not.
    """
    theirs = {vault.account for vault in seen} - {None}
    ours = {vault.account for vault in known} - {None}
    if theirs and ours:
        same = theirs == ours
        accounts = ", ".join(sorted(map(str, theirs)))
        reason = f"belongs to account {accounts}, not {sorted(map(str, ours))[0]}"
    else:
        same = bool({vault.address for vault in seen} & {vault.address for vault in known})
        reason = "sees none of the known vaults, so it seems to belong to another account"
    if not same:
        raise ConfigError(
            f"the new key {key.current().access_key_id} {reason}; put back a key of the same "
            "account, or unmount and mount again to use the new one"
        )
