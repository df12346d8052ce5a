"""`casfs verify --restored DEST`: restored files against their manifest, without an account."""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from casfs.cli import exit_status
from casfs.cli.messages import Messages
from casfs.cli.show import size_text
from casfs.errors import ConfigError
from casfs.restore.destination.line_check import damaged_text

_NAMED = 1000
"""Files that are named at most; JSON lines have all."""


def verify_restored(dest: str, options: Mapping[str, Any]) -> int:
    """Compare the files of a restore with its manifest; return the exit status.

    Args:
        dest: directory that was restored to, or a manifest.
        options: `verbose` (name each file), `as_json`, and `stats`, the seconds between two lines
            that say how far it is.

    Raises:
        ConfigError: there is no manifest.
    """
    from casfs.restore.destination.manifest_index import ManifestIndex
    from casfs.restore.destination.opened_tree import OpenedTree
    from casfs.restore.destination.own_directory import manifest_of
    from casfs.restore.destination.restored_files import CHANGED, check_restored

    destination = Path(dest)
    manifest = destination if destination.is_file() else manifest_of(destination)
    if not manifest.is_file():
        raise ConfigError(f"{manifest} is missing; name the directory that was restored to")
    with ManifestIndex(manifest) as index:
        if destination.is_file():
            destination = Path(str(index.header.get("destination")))
        messages = Messages(bool(options.get("as_json")), str(index.header.get("vault")))
        if not destination.is_dir():
            raise ConfigError(f"{destination} is not a directory")
        restored = index.restored
        messages.text(f"comparing {restored:,} files in {destination} with {manifest}")
        counts: Counter[str] = Counter()
        size, told = 0, time.monotonic()
        every = float(options.get("stats") or 60.0)
        for checked in check_restored(index, OpenedTree(destination)):
            counts[checked.state] += 1
            size += checked.size
            messages.facts(
                "archive",
                archive=checked.line.archive,
                job=checked.line.job,
                path=checked.line.path,
                state=checked.state,
                reason=checked.reason or None,
                size=checked.line.size,
            )
            differs = checked.is_wrong or checked.state == CHANGED
            if differs and sum(counts.values()) - counts["ok"] <= _NAMED:
                messages.complain(f"{checked.line.path}: {checked.state}: {checked.reason}")
            elif options.get("verbose"):
                messages.text(f"{checked.line.path}: {checked.reason or checked.state}")
            if time.monotonic() - told >= every:
                told = time.monotonic()
                messages.text(f"{sum(counts.values()):,} of {restored:,}, {size_text(size)}")
        return _finish(counts, size, index.damaged, messages)


def _finish(counts: Counter[str], size: int, damaged: int, messages: Messages) -> int:
    unverified, changed = counts["not checked"], counts["changed"]
    wrong = sum(counts.values()) - counts["ok"] - unverified - changed
    status = exit_status.MISMATCH if wrong else exit_status.DONE
    if damaged:
        messages.warn(damaged_text(damaged))
    if damaged or changed:
        status = status or exit_status.FAILED
    messages.text(
        f"as restored: {counts['ok']:,} ({size_text(size)} read); not as restored: {wrong:,}; "
        f"changed since: {changed:,}; without a hash: {unverified:,}"
    )
    messages.facts(
        "summary",
        total_files=sum(counts.values()),
        files_verified=counts["ok"],
        files_wrong=wrong,
        files_changed=changed,
        files_unverified=unverified,
        total_bytes=size,
        exit_status=status,
    )
    if wrong or changed:
        what = [f"not as restored: {wrong:,}"] if wrong else []
        what += [f"changed since they were restored: {changed:,}"] if changed else []
        message = f"{'; '.join(what)}; of {sum(counts.values()):,} files"
        messages.facts("exit_error", code=status, message=message)
        messages.complain(message)
    sys.stdout.flush()
    return status
