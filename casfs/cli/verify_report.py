"""Checks the cache against the catalog, and tells what is wrong."""

import fnmatch
import time
from collections import Counter
from collections.abc import Callable, Sequence

from casfs.cli import exit_status
from casfs.cli.messages import Messages
from casfs.cli.progress import open_progress
from casfs.cli.show import size_text
from casfs.cli.standing import Standing
from casfs.client import CachedOutput, Client
from casfs.errors import NotFoundError
from casfs.throughput import RateWindow

_TITLES = {
    "verified": "whole and right",
    "partial": "in part, and right",
    "unverified": "unverified: no hash of the service vouches for all of it",
    "unreadable": "could not be read",
    "wrong": "wrong",
}
"""What may come of a check, and what it means; the worst comes last."""


def verify_cache(
    client: Client,
    patterns: Sequence[str],
    verbose: bool,
    stats: float | None,
    messages: Messages,
) -> int:
    """Hash everything that the cache holds of a vault; return the exit status.

    Args:
        client: the account.
        patterns: which outputs; none stands for all.
        verbose: tell what became of each.
        stats: seconds between two lines of progress, None for what is usual.
        messages: gets what is told, and names the vault.

    Raises:
        NotFoundError: nothing of it is in the cache.
        CasfsError: the catalog cannot be read, or the cache is not ours.
    """
    vault = messages.lines.vault
    items = client.cache.items(opened=False)
    chosen = _chosen(items, vault, patterns)
    total = sum(item.cached for item in chosen)
    messages.text(
        f"checking the cache in {client.config.cache_dir} against the catalog: "
        f"{_outputs(len(chosen))} of vault {vault}, {size_text(total)}; restored files are not "
        "checked (casfs verify --restored DEST does that)"
    )
    unknown = sum(item.vault is None for item in items)
    if unknown and not patterns:
        are = "is not in the catalog, and is" if unknown == 1 else "are not in the catalog, and are"
        messages.complain(f"{_outputs(unknown)} in the cache {are} not checked")
    messages.facts("plan", total_files=len(chosen), total_bytes=total, jobs=0, estimate={})
    report = _VerifyReport(client, verbose, messages)
    report.run(chosen, total, stats)
    return report.finish(total)


class _VerifyReport:
    """Checks outputs one after another."""

    def __init__(self, client: Client, verbose: bool, messages: Messages) -> None:
        self._client = client
        self._verbose = verbose
        self._messages = messages
        self._states: Counter[str] = Counter()

    def run(self, chosen: list[CachedOutput], total: int, stats: float | None) -> None:
        """Check outputs, and show how far that is."""
        done, shown = 0, 0.0
        rates = RateWindow()
        with open_progress(self._messages.lines, stats) as view:

            def note(size: int) -> None:
                nonlocal done, shown
                done += size
                now = time.monotonic()
                if now - shown < 0.2:
                    return
                shown = now
                rates.note(done)
                bad = self._states["wrong"] + self._states["unreadable"]
                view.show(
                    Standing(
                        phase="verifying",
                        files=sum(self._states.values()) - bad,
                        total_files=len(chosen),
                        failed=bad,
                        size=min(done, total),
                        total=total,
                        rate=rates.rate(),
                    )
                )

            for item in chosen:
                state, reason = self._check(item, note)
                self._states[state] += 1
                self._tell(item, state, reason)

    def finish(self, total: int) -> int:
        """Tell the result, and return the exit status."""
        states, status = self._states, exit_status.DONE
        if states["unreadable"]:
            status = exit_status.FAILED
        if states["wrong"]:
            status = exit_status.MISMATCH
        files = sum(states.values())
        counts = {f"files_{state}": states[state] for state in _TITLES}
        self._messages.facts(
            "summary", total_files=files, total_bytes=total, **counts, exit_status=status
        )
        found = [f"{states[state]:,} {_TITLES[state]}" for state in _TITLES if states[state]]
        self._messages.text(f"{_outputs(files)}, {size_text(total)}: {'; '.join(found)}")
        return status

    def _check(self, item: CachedOutput, note: Callable[[int], None]) -> tuple[str, str | None]:
        """Check an output; return its state, and what is wrong with it."""
        if item.output is None:
            return "unreadable", "the catalog does not say what it is"
        checker = self._client.checker
        if item.derived:
            found = checker.derived(item.key, note)
        else:
            found = checker.output(item.output, note)
        if found.wrong:
            were = "was" if len(found.wrong) == 1 else "were"
            return "wrong", f"{_blocks(found.wrong)} did not match, and {were} removed"
        if found.whole is False:
            return "wrong", "all blocks are as received, but the whole has another tree hash"
        if found.unreadable:
            return "unreadable", f"{_blocks(found.unreadable)} could not be read"
        if found.bare:
            one = len(found.bare) == 1
            hashes, blocks = ("hash", "the block was") if one else ("hashes", "the blocks were")
            are = f"of {_blocks(found.bare)} {'is' if one else 'are'} damaged"
            return "unreadable", f"the recorded {hashes} {are}; {blocks} removed"
        if found.unchecked:
            return "unverified", None
        return ("verified" if found.whole or found.size == item.size else "partial"), None

    def _tell(self, item: CachedOutput, state: str, reason: str | None) -> None:
        name = item.name or item.archive or ", ".join(item.jobs) or item.key
        self._messages.facts(
            "archive",
            archive=item.archive,
            job=item.jobs[0] if item.jobs else None,
            path=item.name,
            state=state,
            reason=reason,
            size=item.size,
            cached=item.cached,
        )
        if reason is not None:
            self._messages.complain(f"{name}: {state}: {reason}")
        elif self._verbose:
            size = f"{size_text(item.cached)} of {size_text(item.size)}"
            self._messages.text(f"{name}: {size}: {_TITLES[state]}")


def _chosen(
    items: Sequence[CachedOutput], vault: str, patterns: Sequence[str]
) -> list[CachedOutput]:
    """Return the outputs of a vault that patterns name, by their names.

    Raises:
        NotFoundError: the cache has nothing of the vault, or of one of the patterns.
    """
    of_vault = [item for item in items if item.vault == vault]
    if not of_vault:
        raise NotFoundError(f"nothing of vault {vault} is in the cache; see: casfs cache ls")
    chosen: dict[str, CachedOutput] = {} if patterns else {item.key: item for item in of_vault}
    for pattern in patterns:
        found = {item.key: item for item in of_vault if _matches(item, pattern.strip("/"))}
        if not found:
            raise NotFoundError(
                f"nothing of {pattern} of vault {vault} is in the cache; see: casfs cache ls"
            )
        chosen |= found
    return sorted(chosen.values(), key=lambda item: (item.name or "", item.key))


def _matches(item: CachedOutput, pattern: str) -> bool:
    if pattern == item.archive or pattern in item.jobs:
        return True
    name = item.name
    if name is None:
        return False
    part = name if "/" in pattern else name.rpartition("/")[2]
    return name.startswith(f"{pattern}/") or name == pattern or fnmatch.fnmatchcase(part, pattern)


def _outputs(count: int) -> str:
    return f"{count:,} output{'' if count == 1 else 's'}"


def _blocks(numbers: tuple[int, ...]) -> str:
    return f"block {numbers[0]}" if len(numbers) == 1 else f"{len(numbers):,} blocks"
