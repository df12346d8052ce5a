"""Which archives are in the cache, whole: found out for many at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from casfs.blocks.disk.store import DiskCache
from casfs.model import output_key
from casfs.tree.archive_index import ArchiveIndex
from casfs.tree.archive_jobs import ArchiveJobs, digest_of
from casfs.tree.archives.selection import Selected


@dataclass(frozen=True)
class CachedArchives:
    """The archives of an account that the cache holds.

    Attributes:
        index: finds archives.
        jobs: which jobs cover each archive.
        disk: the cache.
        origin: see `Service`.
    """

    index: ArchiveIndex
    jobs: ArchiveJobs
    disk: DiskCache
    origin: tuple[str, ...]

    def among(self, vault: str, archives: Sequence[Selected]) -> frozenset[str]:
        """Return the ids of those of some archives whose bytes are all in the cache.

        The catalog is asked only for those of which the cache has something, or may have under the
        keys of single jobs.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        unsure: list[str] = []
        by_key: dict[str, str] = {}
        for one in archives:
            digest = digest_of(one.tree_hash)
            if one.size is None or digest is None:
                unsure.append(one.id)
            else:
                key = output_key(self.origin, vault, one.id, 0, digest, one.size)
                by_key[key] = one.id
        held = [by_key[key] for key in self.disk.held(by_key)]
        in_ranges = self.jobs.in_ranges(vault, by_key.values())
        ids = list(dict.fromkeys([*unsure, *held, *in_ranges]))
        if not ids:
            return frozenset()
        known = [one for one in self.index.by_ids(vault, ids) if one.readable]
        outputs = self.jobs.outputs(vault, known)
        return frozenset(one for one, output in outputs if self.disk.holds_everywhere(output))
