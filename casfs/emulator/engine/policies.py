"""The data retrieval policy of the account."""

from casfs.emulator.engine.store import Store
from casfs.emulator.settings import Policy

FREE_TIER = (10 << 30) // 30
"""Bytes a day that are free, if it is not said otherwise: 10 GB a month (Amazon Glacier Developer
Guide, "Data Retrieval Policies")."""


class Policies:
    """Keeps the policy.

    Args:
        store: the state.
        first: the policy to begin with; None = the one that was set last.
    """

    def __init__(self, store: Store, first: Policy | None) -> None:
        self._store = store
        if first is not None:
            self.put(first)

    def get(self) -> Policy:
        """Return the policy."""
        row = self._store.rows.execute("SELECT strategy, amount FROM policy").fetchone()
        return Policy(*row) if row else Policy()

    def put(self, policy: Policy) -> None:
        """Set the policy."""
        with self._store.writing() as rows:
            rows.execute("DELETE FROM policy")
            rows.execute("INSERT INTO policy VALUES (?, ?)", (policy.strategy, policy.amount))
