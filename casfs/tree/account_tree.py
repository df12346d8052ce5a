"""What is at each path of an account: vaults, their jobs, and the files of `.casfs`."""

import json
from collections.abc import Callable, Mapping
from functools import partial

from casfs.errors import NotFoundError
from casfs.model import Job, JobKind, Output, Vault
from casfs.sanitize import pretty
from casfs.tree.archive_tree import ArchiveTree
from casfs.tree.directory_prefetch import Neighbors
from casfs.tree.directory_times import DirectoryTimes
from casfs.tree.file_names import to_file_name
from casfs.tree.inventory_files import InventoryFiles
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.snapshot import KnownJob
from casfs.tree.node import (
    ArchiveFile,
    Directory,
    InventoryFile,
    Node,
    OutputFile,
    SmallFile,
)
from casfs.tree.paths import (
    ArchivePlace,
    ControlFile,
    JobDirectory,
    JobFile,
    JobsDirectory,
    Name,
    Top,
    VaultDirectory,
    VaultFile,
    parse,
)
from casfs.tree.requested import Requested


class AccountTree:
    """An account as a tree of directories and files.

    Args:
        account: what it shows.
        inventories: knows the sizes of inventory files.
        archives: what is below `archives/`.
        requested: what was requested from this machine.
        times: of directories, vaults and jobs.
        control: name -> maker of the bytes of each file of `.casfs`.
    """

    def __init__(
        self,
        account: Account,
        inventories: InventoryFiles,
        archives: ArchiveTree,
        requested: Requested,
        times: DirectoryTimes,
        control: Mapping[str, Callable[[], bytes]],
    ) -> None:
        self._account = account
        self._inventories = inventories
        self._archives = archives
        self._requested = requested
        self._times = times
        self._control = control

    def node(self, path: str) -> Node:
        """Return what is at a path.

        Raises:
            NotFoundError: nothing.
            CasfsError: it is not known, and the service failed.
        """
        match parse(path):
            case Top():
                return Directory(path, self._times.all())
            case ControlFile(name) if name in self._control:
                return self._control_file(path, name, self._times.all())
            case VaultDirectory(vault):
                return self._vault_directory(path, self._account.vault(vault))
            case JobsDirectory(vault):
                return Directory(path, self._times.jobs(self._account.vault(vault)))
            case VaultFile(vault):
                return self._vault_file(path, self._account.vault(vault))
            case JobDirectory(vault, job):
                time = self._account.job_time(self._account.vault(vault).name, job)
                return Directory(path, self._times.known(time))
            case JobFile(vault, job, name):
                known = self._account.job(self._account.vault(vault).name, job)
                return self._job_file(path, known, name)
            case ArchivePlace(vault, names):
                return self._archives.node(path, self._account.vault(vault), names)
        raise NotFoundError(f"there is no {path}")

    def children(self, path: str) -> list[Node]:
        """Return the entries of a directory, each as `node` returns it.

        Only the size of an output or an archive is None unless it is known: listing asks for no
        output, so that one that cannot be measured or read hides no other file.

        Raises:
            NotFoundError: there is no such directory.
            CasfsError: it is unknown, and the service failed.
        """
        match parse(path):
            case Top.ROOT:
                time = self._times.all()
                return [Directory(top.value, time) for top in (Top.VAULTS, Top.CONTROL)]
            case Top.CONTROL:
                time = self._times.all()
                return [self._control_file(f"{path}/{name}", name, time) for name in self._control]
            case Top.VAULTS:
                return [
                    self._vault_directory(f"{path}/{to_file_name(vault.name)}", vault)
                    for vault in self._account.vaults()
                ]
            case VaultDirectory(vault):
                return self._vault_entries(path, self._account.vault(vault))
            case JobsDirectory(vault):
                listed = self._account.job_names(self._account.vault(vault).name)
                known = self._times.known
                return [Directory(f"{path}/{name}", known(time)) for name, time in listed.items()]
            case JobDirectory(vault, job):
                return self._job_files(
                    path, self._account.job(self._account.vault(vault).name, job)
                )
            case ArchivePlace(vault, names):
                return self._archives.children(path, self._account.vault(vault), names)
        raise NotFoundError(f"there is no directory {path}")

    def output(self, node: OutputFile | InventoryFile | ArchiveFile) -> Output:
        """Return the output to read for a file; for an inventory file, the one it is made from.

        Raises:
            CasfsError: what it takes is not known, and the service failed.
        """
        if isinstance(node, ArchiveFile):
            return self._archives.output(node.vault, node.archive)
        return self._account.output(node.job)

    def facts(
        self, node: OutputFile | InventoryFile | ArchiveFile, output: Output
    ) -> dict[str, str | None]:
        """Return what is known of a file with an output and may change, as extended attributes."""
        if isinstance(node, ArchiveFile):
            job_of_archive = self._archives.job(node.vault, node.archive)
            found = self._archives.facts(node.vault, node.archive, output)
            return found | self._requested.attributes(job_of_archive)
        job = node.job
        facts: dict[str, str | None] = {
            **self._requested.attributes(job),
            "job-id": job.id,
            "expires": job.expires.isoformat() if job.expires else None,
        }
        size = output.layout.size
        if output.tree_hash is None and (size == 0 or job.size not in (None, size)):
            # Nothing vouches for what contradicts its job, whatever answers say of parts of it, nor
            # for what is empty, unless the job has the hash of nothing.
            facts["verified"] = "yes" if job.tree_hash and not size else "no"
        return facts

    def content_facts(
        self, node: OutputFile | InventoryFile | ArchiveFile
    ) -> dict[str, str | None]:
        """Return what belongs to the content of a file with an output, as extended attributes."""
        if isinstance(node, ArchiveFile):
            return self._archives.content_facts(node.vault, node.archive)
        job = node.job
        facts = {
            "archive-id": job.archive_id,
            "description": self._account.archive_description(job) or job.description,
        }
        # The hash of an inventory job is not that of each form of its inventory.
        if isinstance(node, OutputFile) and job.tree_hash is not None and node.size:
            facts["tree-hash"] = job.tree_hash.hex()
        return facts

    def neighbors(self, node: OutputFile | ArchiveFile) -> tuple[Neighbors, str]:
        """Return the outputs beside that of a file, and its name among them."""
        if isinstance(node, ArchiveFile):
            return self._archives.neighbors(node)
        job = node.job
        neighbors = Neighbors(
            f"jobs of vault {job.vault}",
            self._account.listed_jobs(job.vault),
            partial(self._account.known_output, job.vault),
        )
        return neighbors, to_file_name(job.id)

    def _job_files(self, path: str, known: KnownJob) -> list[Node]:
        job = known.job
        files: list[Node] = [self._description(f"{path}/{Name.JOB_FILE}", known)]
        if job.readable:
            size = self._account.sure_size(job)
            files.append(OutputFile(f"{path}/{Name.OUTPUT}", self._times.job(job), size, job))
        if _has_inventory(job):
            for file in (Name.INVENTORY_JSON, Name.INVENTORY_CSV):
                size = self._inventories.known_size(job, file)
                files.append(self._inventory_file(f"{path}/{file}", job, file, size))
        return files

    def _job_file(self, path: str, known: KnownJob, name: str) -> Node:
        job = known.job
        if name == Name.JOB_FILE:
            return self._description(path, known)
        if name == Name.OUTPUT and job.readable:
            size = self._account.output(job).layout.size
            return OutputFile(path, self._times.job(job), size, job)
        if name in (Name.INVENTORY_JSON, Name.INVENTORY_CSV) and _has_inventory(job):
            return self._inventory_file(path, job, name, self._inventories.size(job, name))
        raise NotFoundError(
            f"there is no {path}: job {job.id}, whose kind is {job.kind.value} and whose state is "
            f"{job.state.value}, has no {name}"
        )

    def _control_file(self, path: str, name: str, time: int) -> Node:
        make = self._control[name]
        return SmallFile(path, time, len(make()), make)

    def _vault_directory(self, path: str, vault: Vault) -> Node:
        return Directory(path, self._times.vault(vault))

    def _vault_entries(self, path: str, vault: Vault) -> list[Node]:
        jobs = Directory(f"{path}/{Name.JOBS}", self._times.jobs(vault))
        archives = Directory(f"{path}/{Name.ARCHIVES}", self._times.archives(vault))
        return [self._vault_file(f"{path}/{Name.VAULT_FILE}", vault), jobs, archives]

    def _vault_file(self, path: str, vault: Vault) -> Node:
        content = pretty(json.loads(vault.raw))
        return SmallFile(path, self._times.vault_file(vault), len(content), lambda: content)

    def _inventory_file(self, path: str, job: Job, name: str, size: int | None) -> Node:
        return InventoryFile(path, self._times.job(job), size, job, name)

    def _description(self, path: str, known: KnownJob) -> Node:
        facts = json.loads(known.job.raw)
        if known.retained:
            facts["Retained"] = True
        content = pretty(facts)
        return SmallFile(path, self._times.job(known.job), len(content), lambda: content)


def _has_inventory(job: Job) -> bool:
    return job.readable and job.kind is JobKind.INVENTORY
