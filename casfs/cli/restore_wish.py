"""What a user wants of `casfs restore`."""

from dataclasses import dataclass
from pathlib import Path

from casfs.restore.destination.existing_files import Overwrite
from casfs.restore.wanted_paths import Elsewhere, WantedPaths


@dataclass(frozen=True, kw_only=True)
class RestoreWish:
    """What a user wants of `casfs restore`.

    Attributes:
        path: what is restored of the vault, "" for all.
        destination: directory that gets it.
        wanted: which archives.
        elsewhere: what another disk has, None if that does not count.
        overwrite: which files may be replaced.
        checksum: compare content where size and time would decide.
        manifest: path of the manifest, None for the usual one.
        keep_in_cache: keep what is fetched in the cache as well.
        dry_run: show the plan, and write nothing.
        yes: agree to the plan.
        waits: wait for jobs.
        verbose: name each archive.
        stats: seconds between two reports of how far it is; None for what is usual.
    """

    path: str
    destination: Path
    wanted: WantedPaths
    elsewhere: Elsewhere | None
    overwrite: Overwrite
    checksum: bool
    manifest: Path | None
    keep_in_cache: bool
    dry_run: bool
    yes: bool
    waits: bool
    verbose: bool
    stats: float | None
