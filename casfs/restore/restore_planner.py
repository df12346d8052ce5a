"""Finds out, with a list of jobs, what a restore can read and what it must request."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from casfs.client import Client, Selected
from casfs.ledger.request import TO_THE_END
from casfs.model import Vault
from casfs.restore.items import Item
from casfs.restore.job_sending import Sent
from casfs.restore.ledger import Ledger
from casfs.restore.plan import Group, range_key
from casfs.restore.preparing import Preparation, Prepared
from casfs.restore.request_options import Options
from casfs.restore.spool import Spool
from casfs.restore.worklist import Worklist

_AT_ONCE = 500
"""Archives whose jobs are looked up together."""


@dataclass
class RestoreProgress:
    """How far a restore is.

    Attributes:
        phase: `requesting`, `waiting`, `restoring` or `done`.
        running: jobs that run for it.
        ready: when the last of them is usually done.
        next_list: seconds until the jobs are listed again, None if they are not.
    """

    phase: str = "requesting"
    running: int = 0
    ready: datetime | None = None
    next_list: float | None = None


class Question(Protocol):
    """A question to the user, while the restore goes on."""

    def answer(self) -> bool | None:
        """Return the answer, None as long as there is none; does not wait for it."""


class RestoreWatcher(Protocol):
    """Tells how a restore goes, and asks."""

    def ask_again(self, prepared: Prepared, tier: str) -> Question:
        """Ask whether to request again, at a tier, what is lost."""

    def requests_again(self, prepared: Prepared, tier: str) -> None:
        """Tell that what is lost is requested again, as the user agreed in advance."""

    def sent(self, sent: Sent) -> None:
        """Tell what came of a request."""

    def progress(self, progress: RestoreProgress) -> None:
        """Tell how far it is; called about once a second."""

    def warn(self, text: str) -> None:
        """Tell something that does not end the restore."""


@dataclass(frozen=True, kw_only=True)
class Restore:
    """What is restored, and how it is requested.

    Attributes:
        client: the account.
        vault: as the service describes it.
        options: how archives are requested.
        ledger: records requests.
        worklist: the archives.
        watcher: tells how it goes.
    """

    client: Client
    vault: Vault
    options: Options
    ledger: Ledger
    worklist: Worklist
    watcher: RestoreWatcher


@dataclass
class ListedWork:
    """What a list of jobs has shown of the archives that wait.

    Attributes:
        running: how many have a job that runs, or a request that may be one.
        planned: how many are to be requested.
        again: of how many archives what was requested is lost; the worklist has them.
    """

    running: int = 0
    planned: int = 0
    again: int = 0


class RestorePlanner:
    """Finds out, with a list of jobs, what can be read and what must be requested.

    Args:
        restore: what is restored.
    """

    def __init__(self, restore: Restore) -> None:
        self._restore = restore
        self._readable: list[str] = []
        self.seen = ListedWork()

    def prepare(
        self,
        spool: Spool,
        wanted: Callable[[], Iterator[Selected]],
        without_cache: bool = False,
    ) -> Prepared:
        """Return the plan for what is wanted; `seen` says what the list has shown.

        What can be read is so in the worklist from now on, and what the plan requests is planned.

        Args:
            spool: gets what is to be requested.
            wanted: yields what is wanted, once all jobs are known.
            without_cache: as in `Preparation`.

        Raises:
            CasfsError: as `Preparation.prepare`.
        """
        restore, self.seen, self._readable = self._restore, ListedWork(), []
        unplanned = restore.worklist.unplanned()
        prepared = Preparation(
            restore.client,
            restore.options,
            restore.ledger,
            restore.vault,
            spool,
            wanted=wanted,
            noted=self._note,
            lost=frozenset(range_key(archive, 0, TO_THE_END) for archive in unplanned),
            agreed=restore.worklist.is_agreed,
            without_cache=without_cache,
        ).prepare()
        self._note_readable()
        return prepared

    def _note_readable(self) -> None:
        """Note until when archives can be read, many at a time."""
        restore, archives = self._restore, self._readable
        self._readable = []
        expiries = restore.client.restorable.expiries(restore.vault.name, archives)
        now = datetime.now(UTC)
        for archive, expires in expiries.items():
            restore.worklist.note_readable(archive, expires, now)

    def _note(self, item: Item, group: Group) -> None:
        restore, seen = self._restore, self.seen
        if group in (Group.READABLE, Group.CACHED):
            self._readable.append(item.archive)
            if len(self._readable) >= _AT_ONCE:
                self._note_readable()
        elif group in (Group.RUNNING, Group.UNCERTAIN):
            seen.running += 1
            restore.worklist.note_coming(item.archive)
        elif group is Group.REQUESTED:
            seen.planned += 1
            restore.worklist.note_planned(item.archive)
        elif group is Group.AGAIN:
            seen.again += 1
            restore.worklist.note_again(item.archive)
        elif group is Group.TOO_LARGE:
            tier = restore.options.tier.value
            restore.worklist.fail(item.archive, f"it is too large for the tier {tier}")
