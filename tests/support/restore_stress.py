"""Restores that are killed at random, while outputs expire: what was requested and fetched."""

import hashlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.destination_watch import DestinationWatch
from tests.support.restores import LONGEST, VAULT, Restores, kill_at_random, manifest, states

BUDGET = 96 << 20
"""Bytes that may be lost with a process: those in its memory."""


@dataclass
class RestoreStress:
    """A restore that is killed again and again.

    Attributes:
        vault: what is restored.
        destination: where to.
        killed: how often it was killed while it ran.
        statuses: of the runs that came to an end.
    """

    vault: Restores
    destination: Path
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    killed: int = 0
    statuses: list[int] = field(default_factory=list)

    def run(self, kills: int, longest: float, pause: float = 0.0) -> None:
        """Kill it so many times, and let it come to its end; a watcher looks on.

        Args:
            kills: how often.
            longest: seconds for which it runs at most before it is killed.
            pause: seconds that pass at most before it is started again.
        """
        # Its output expires as well, and it is not what is stressed.
        status, output, errors = self.vault.run("catalog", "refresh", VAULT)
        assert status == 0, output + errors
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in self.vault.files.items()}
        arguments = ("restore", VAULT, str(self.destination), "-y", "--rerequest", "yes")
        with DestinationWatch(self.destination, hashes) as watch:
            for _ in range(kills):
                self.killed += kill_at_random(self.vault.start(*arguments), self.dice, longest)
                # What can be read expires meanwhile.
                time.sleep(self.dice.uniform(0.0, pause))
            end = time.monotonic() + LONGEST
            while not self.statuses or self.statuses[-1] == 75:
                assert time.monotonic() < end, f"never done: {self.statuses}"
                status, output, errors = self.vault.run(*arguments)
                self.statuses.append(status)
                assert status in (0, 75), output + errors
        assert watch.wrong == []
        assert watch.seen >= len(self.vault.files)

    def check(self) -> None:
        """Check what is on disk, in the manifest, on the bill and on the line."""
        self.vault.check(self.destination)
        found = states(self.destination)
        assert set(found) == set(self.vault.files), set(found) ^ set(self.vault.files)
        other = {path: state for path, state in found.items() if state != "verified"}
        assert not other, other
        end = manifest(self.destination)[-1]
        parts = ("files_restored", "files_skipped", "files_failed", "files_left")
        assert sum(end[part] for part in parts) == end["total_files"] == len(self.vault.files)
        requested, jobs = self.vault.requested(), self.jobs()
        assert set(jobs) == set(self.vault.archives())
        # The log may miss the answer to a process that was killed; the jobs are what counts.
        assert not requested - jobs, requested - jobs
        assert self.too_early() == []
        everything = sum(map(len, self.vault.files.values()))
        assert self.vault.fetched() <= everything + self.killed * BUDGET

    def jobs(self) -> Counter[str]:
        """How many jobs each archive had at the service."""
        rows = self.vault.emulator.sql("SELECT archive FROM jobs WHERE kind = 'archive'")
        return Counter(archive for (archive,) in rows)

    def again(self) -> int:
        """How many jobs were started because the output of an earlier one had expired."""
        return sum(self.jobs().values()) - len(self.jobs())

    def too_early(self) -> list[str]:
        """Archives that were requested before what was requested before had expired."""
        rows = self.vault.emulator.sql(
            "SELECT archive, created, completed FROM jobs WHERE kind = 'archive' ORDER BY created"
        )
        expiry: dict[str, float] = {}
        found = []
        for archive, created, completed in rows:
            if created < expiry.get(archive, 0.0):
                found.append(f"{archive}: {expiry[archive] - created:.1f} s too early")
            expiry[archive] = completed + self.vault.lifetime
        return found
