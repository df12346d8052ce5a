"""Paths of the mount and what stands there: the path in the mount is the path in the API.

vaults/<vault>/vault.json
vaults/<vault>/jobs/<job id>/job.json
vaults/<vault>/jobs/<job id>/output
vaults/<vault>/jobs/<job id>/inventory.json, inventory.csv
vaults/<vault>/archives/...               see archive_tree.py
.casfs/<status file>
"""

import json
from collections.abc import Callable, Mapping
from functools import partial

from casfs.errors import NotFoundError
from casfs.model import Job, JobKind, Output, Vault
from casfs.sanitize import pretty
from casfs.tree.archive_tree import ARCHIVES, ArchiveTree
from casfs.tree.directory_prefetch import Row
from casfs.tree.file_names import to_file_name
from casfs.tree.inventory_files import CSV, JSON, Inventories
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.snapshot import KnownJob
from casfs.tree.node import (
    CONTROL,
    ArchiveFile,
    Directory,
    InventoryFile,
    Node,
    OutputFile,
    SmallFile,
)
from casfs.tree.times import mtime, nanoseconds

_JOB = "job.json"
_OUTPUT = "output"
_JOB_FILES = (_JOB, _OUTPUT, JSON, CSV)


class Tree:
    """The tree over an account.

    Args:
        account: what it shows.
        inventories: knows the sizes of inventory files.
        archives: what is below `archives/`.
        control: name -> maker of the bytes of each file of `.casfs`.
    """

    def __init__(
        self,
        account: Account,
        inventories: Inventories,
        archives: ArchiveTree,
        control: Mapping[str, Callable[[], bytes]],
    ) -> None:
        self._account = account
        self._inventories = inventories
        self._archives = archives
        self._control = control

    def node(self, path: str) -> Node:
        """Return what stands at a path.

        Raises:
            NotFoundError: nothing.
            CasfsError: it is not known, and the service failed.
        """
        match _parts(path):
            case [] | ["vaults"] | [".casfs"]:
                return Directory(path, 0)
            case [".casfs", name] if name in self._control:
                make = self._control[name]
                return SmallFile(path, 0, len(make()), make)
            case ["vaults", vault]:
                return _vault_folder(path, self._account.vault(vault))
            case ["vaults", vault, "vault.json"]:
                return _vault_file(path, self._account.vault(vault))
            case ["vaults", vault, "jobs"]:
                return _vault_folder(path, self._account.vault(vault))
            case ["vaults", vault, "jobs", name]:
                time = self._account.job_time(self._account.vault(vault).name, name)
                return Directory(path, time)
            case ["vaults", vault, "jobs", name, file] if file in _JOB_FILES:
                known = self._account.job(self._account.vault(vault).name, name)
                return self._job_file(path, known, file)
            case ["vaults", vault, "archives", *names]:
                return self._archives.node(path, self._account.vault(vault), names)
        raise NotFoundError(f"there is no {path}")

    def children(self, path: str) -> list[Node]:
        """Return the entries of a folder, each as `node` returns it.

        Only the size of an output or an archive is None unless it is known: listing asks for no
        output, so that one that cannot be measured or read hides no other file.

        Raises:
            NotFoundError: there is no such folder.
            CasfsError: they are not known, and the service failed.
        """
        match _parts(path):
            case []:
                return [Directory(f"/{name}", 0) for name in ("vaults", CONTROL)]
            case [".casfs"]:
                return [self.node(f"{path}/{name}") for name in self._control]
            case ["vaults"]:
                return [
                    _vault_folder(f"{path}/{to_file_name(vault.name)}", vault)
                    for vault in self._account.vaults()
                ]
            case ["vaults", vault]:
                known = self._account.vault(vault)
                folders = [_vault_folder(f"{path}/{name}", known) for name in ("jobs", ARCHIVES)]
                return [_vault_file(f"{path}/vault.json", known), *folders]
            case ["vaults", vault, "jobs"]:
                listed = self._account.job_names(self._account.vault(vault).name)
                return [Directory(f"{path}/{name}", time) for name, time in listed.items()]
            case ["vaults", vault, "jobs", name]:
                known_job = self._account.job(self._account.vault(vault).name, name)
                return self._job_files(path, known_job)
            case ["vaults", vault, "archives", *names]:
                return self._archives.children(path, self._account.vault(vault), names)
        raise NotFoundError(f"there is no folder {path}")

    def output(self, node: OutputFile | InventoryFile | ArchiveFile) -> Output:
        """Return what is to be read of a file; of an inventory file, what it is made of.

        Raises:
            CasfsError: what it takes is not known, and the service failed.
        """
        if isinstance(node, ArchiveFile):
            return self._archives.output(node.vault, node.archive)
        return self._account.output(node.job)

    def facts(
        self, node: OutputFile | InventoryFile | ArchiveFile, output: Output
    ) -> dict[str, str | None]:
        """Return what is known of a file with an output, as extended attributes have it."""
        if isinstance(node, ArchiveFile):
            return self._archives.facts(node.vault, node.archive, output)
        job = node.job
        facts = {
            "archive-id": job.archive_id,
            "job-id": job.id,
            "expires": job.expires.isoformat() if job.expires else None,
            "description": self._account.archive_description(job) or job.description,
        }
        size = output.layout.size
        if output.tree_hash is None and (size == 0 or job.size not in (None, size)):
            # Nothing vouches for what contradicts its job, whatever answers say of parts of it, nor
            # for what is empty, unless the job has the hash of nothing.
            facts["verified"] = "yes" if job.tree_hash and not size else "no"
        return facts

    def row(self, node: OutputFile | ArchiveFile) -> tuple[Row, str]:
        """Return the outputs beside that of a file, and its name among them."""
        if isinstance(node, ArchiveFile):
            return self._archives.row(node)
        job = node.job
        row = Row(
            f"jobs of vault {job.vault}",
            self._account.listed_jobs(job.vault),
            partial(self._account.known_output, job.vault),
        )
        return row, to_file_name(job.id)

    def _job_files(self, path: str, known: KnownJob) -> list[Node]:
        job = known.job
        files: list[Node] = [_description(f"{path}/{_JOB}", known)]
        if job.readable:
            size = self._account.sure_size(job)
            files.append(OutputFile(f"{path}/{_OUTPUT}", mtime(job), size, job))
        if _has_inventory(job):
            for file in (JSON, CSV):
                size = self._inventories.known_size(job, file)
                files.append(_inventory_file(f"{path}/{file}", job, file, size))
        return files

    def _job_file(self, path: str, known: KnownJob, name: str) -> Node:
        job = known.job
        if name == _JOB:
            return _description(path, known)
        if name == _OUTPUT and job.readable:
            size = self._account.output(job).layout.size
            return OutputFile(path, mtime(job), size, job)
        if name in (JSON, CSV) and _has_inventory(job):
            return _inventory_file(path, job, name, self._inventories.size(job, name))
        raise NotFoundError(
            f"there is no {path}: job {job.id} has no {name}, as it is {job.kind.value} and "
            f"{job.state.value}"
        )


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _vault_folder(path: str, vault: Vault) -> Node:
    return Directory(path, nanoseconds(vault.created))


def _vault_file(path: str, vault: Vault) -> Node:
    content = pretty(json.loads(vault.raw))
    changed = nanoseconds(vault.inventoried or vault.created)
    return SmallFile(path, changed, len(content), lambda: content)


def _has_inventory(job: Job) -> bool:
    return job.readable and job.kind is JobKind.INVENTORY


def _inventory_file(path: str, job: Job, name: str, size: int | None) -> Node:
    return InventoryFile(path, mtime(job), size, job, name)


def _description(path: str, known: KnownJob) -> Node:
    facts = json.loads(known.job.raw)
    if known.retained:
        facts["Retained"] = True
    content = pretty(facts)
    return SmallFile(path, mtime(known.job), len(content), lambda: content)
