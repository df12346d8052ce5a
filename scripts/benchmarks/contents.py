"""The account that the origin serves: files of random bytes, their hash trees and descriptions."""

import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import answers
from benchmarks.answers import Output as Output

LEAF = 1 << 20
PAGE_JOBS = 1000
_INVENTORY = "inventory"


def hash_tree(leaves: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
    """Return all nodes of a hash tree: first leaf, leaves below, digest; the root is last.

    Written on its own, not imported from casfs: so an error there would show here.
    """
    level = [(at, 1, digest) for at, digest in enumerate(leaves)]
    nodes = list(level)
    while len(level) > 1:
        parents = [
            (left[0], left[1] + right[1], hashlib.sha256(left[2] + right[2]).digest())
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        nodes += parents
        level = parents + (level[-1:] if len(level) % 2 else [])
    return nodes


class Contents:
    """What stands below the origin's root folder.

    Args:
        root: the folder; made for this run alone.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._vaults: dict[str, list[dict[str, object]]] = {}
        self._pinned: list[mmap.mmap] = []
        self._write("api/vaults.json", json.dumps({"VaultList": [], "Marker": None}))

    def add_vault(self, vault: str, sizes: Iterable[tuple[str, int]]) -> list[Output]:
        """Make a vault of outputs of random bytes.

        Args:
            vault: its name.
            sizes: job id and bytes of each output; ids in lexicographic order.
        """
        outputs = [Output(vault, job, size) for job, size in sizes]
        self._publish(vault, [answers.job(one, self._fill(one)) for one in outputs])
        self._list_files(vault, [(one.job, one.size) for one in outputs])
        return outputs

    def add_listing(self, vault: str, count: int) -> None:
        """Make a vault of jobs to be listed, not read; the plain files are their descriptions."""
        digest = hashlib.sha256(vault.encode()).hexdigest()
        outputs = [Output(vault, f"job-{number:07d}", LEAF) for number in range(count)]
        self._publish(vault, [answers.job(one, digest) for one in outputs])
        files = self._root / "data" / vault
        files.parent.mkdir(exist_ok=True)
        files.symlink_to(self._root / "api" / vault / "jobs")
        self._list_files(vault, [(one.name, one.stat().st_size) for one in sorted(files.iterdir())])

    def add_archives(self, vault: str, count: int, restored: int, size: int) -> None:
        """Make a vault of archives: job `inventory` lists all, `restored` others bring some back.

        Args:
            vault: its name.
            count: archives.
            restored: archives that can be read, spread evenly.
            size: bytes of each archive.
        """
        step = count // restored
        outputs = [Output(vault, _job(number), size) for number in range(0, count, step)]
        hashes = {one.job: self._fill(one) for one in outputs}
        jobs = [answers.job(one, hashes[one.job]) for one in outputs]
        archives = (
            (number, size, hashes.get(_job(number)) or f"{number:064x}") for number in range(count)
        )
        self._publish(vault, [self._list_archives(vault, archives), *jobs])

    def add_restored(self, vault: str, sizes: Sequence[int]) -> list[Output]:
        """Make a vault of archives that an inventory lists, all of which can be read.

        Args:
            vault: its name.
            sizes: bytes of each.
        """
        outputs = [Output(vault, _job(number), size) for number, size in enumerate(sizes)]
        hashes = [self._fill(one) for one in outputs]
        archives = zip(range(len(sizes)), sizes, hashes, strict=True)
        jobs = list(map(answers.job, outputs, hashes))
        self._publish(vault, [self._list_archives(vault, archives), *jobs])
        self._list_files(vault, [(one.job, one.size) for one in outputs])
        return outputs

    def _list_archives(
        self, vault: str, archives: Iterable[tuple[int, int, str]]
    ) -> dict[str, object]:
        """Write an inventory; return the job that brought it."""
        path = self.path(Output(vault, _INVENTORY, 0))
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.writelines(answers.inventory(vault, archives))
        listed = Output(vault, _INVENTORY, path.stat().st_size)
        return answers.inventory_job(listed, self._hash(listed))

    def damage(self, output: Output) -> None:
        """Change a byte of an output behind its hash tree's back."""
        with open(self._root / "data" / output.file, "r+b") as file:
            file.seek(output.size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))

    def path(self, output: Output) -> Path:
        """Return the file that holds an output's bytes."""
        return self._root / "data" / output.file

    def drop(self, outputs: Iterable[Output]) -> None:
        """Delete the bytes of outputs that are no longer needed."""
        self.unpin()
        for output in outputs:
            self.path(output).unlink(missing_ok=True)

    def pin(self, outputs: Iterable[Output]) -> None:
        """Keep outputs in memory: dropping caches must make the clients cold, not the origin.

        The kernel does not drop pages that a process has mapped.
        """
        for output in outputs:
            with open(self.path(output), "rb") as file:
                self._pinned.append(
                    mmap.mmap(
                        file.fileno(),
                        0,
                        flags=mmap.MAP_SHARED | mmap.MAP_POPULATE,
                        prot=mmap.PROT_READ,
                    )
                )

    def unpin(self) -> None:
        """Let the kernel have all pages back."""
        while self._pinned:
            self._pinned.pop().close()

    def _fill(self, output: Output) -> str:
        """Write random bytes and the digests of their tree; return the root in hexadecimal."""
        path = self.path(output)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for at in range(0, output.size, LEAF):
                file.write(os.urandom(min(LEAF, output.size - at)))
        return self._hash(output)

    def _hash(self, output: Output) -> str:
        """Write the digests of an output's tree; return the root in hexadecimal."""
        leaves = []
        with open(self.path(output), "rb") as file:
            while data := file.read(LEAF):
                leaves.append(hashlib.sha256(data).digest())
        nodes = hash_tree(leaves)
        lines = [f"{first} {count} {digest.hex()}\n" for first, count, digest in nodes]
        # The origin looks up "0 0" for an answer without a range.
        self._write(f"hashes/{output.file}", "".join([*lines, f"0 0 {nodes[-1][2].hex()}\n"]))
        return nodes[-1][2].hex()

    def _publish(self, vault: str, jobs: list[dict[str, object]]) -> None:
        for job in jobs:
            self._write(f"api/{vault}/jobs/{job['JobId']}", json.dumps(job))
        for at in range(0, max(1, len(jobs)), PAGE_JOBS):
            following = jobs[at + PAGE_JOBS :]
            page = {
                "JobList": jobs[at : at + PAGE_JOBS],
                "Marker": following[0]["JobId"] if following else None,
            }
            marker = jobs[at]["JobId"] if at else ""
            self._write(f"api/{vault}/page-{marker}.json", json.dumps(page))
        self._vaults[vault] = jobs
        self._write(f"api/{vault}/vault.json", json.dumps(answers.vault(vault)))
        listing = {"VaultList": list(map(answers.vault, sorted(self._vaults))), "Marker": None}
        self._write("api/vaults.json", json.dumps(listing))

    def _list_files(self, vault: str, files: list[tuple[str, int]]) -> None:
        """Write the WebDAV listing of a folder of plain files, and of the folder above."""
        folder = f"/dav/{vault}/"
        listed = answers.webdav_listing([folder], [(folder + name, size) for name, size in files])
        self._write(f"listings/{vault}.xml", listed)
        folders = ["/dav/", *(f"/dav/{name}/" for name in sorted(self._vaults))]
        self._write("listings/.xml", answers.webdav_listing(folders))

    def _write(self, name: str, text: str) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Replaced, never rewritten: the server may be sending it.
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(path)


def _job(number: int) -> str:
    return f"job-{number:08d}"
