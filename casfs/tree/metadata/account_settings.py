"""What the configuration says about an account."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """What the configuration says about an account.

    Attributes:
        listing_ttl: seconds for which a listing is fresh.
        deadline: seconds that a call may take.
        vaults: names of vaults that exist, whether or not the key may list them.
        own_account: requests name no account, so that a refusal is never about a wrong one.
    """

    listing_ttl: float
    deadline: float
    vaults: Sequence[str] = ()
    own_account: bool = True
