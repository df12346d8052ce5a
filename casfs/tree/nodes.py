"""Paths of the mount and what stands there: the path in the mount is the path in the API.

vaults/<vault>/vault.json
vaults/<vault>/jobs/<job id>/job.json
vaults/<vault>/jobs/<job id>/output
vaults/<vault>/jobs/<job id>/inventory.json, inventory.csv
.casfs/<status file>
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from casfs.errors import NotFoundError
from casfs.service.base import Job, JobKind, Output, Vault
from casfs.tree.account import Account
from casfs.tree.inventory_files import CSV, JSON, Inventories
from casfs.tree.known import KnownJob, mtime, nanoseconds

CONTROL = ".casfs"
_JOB = "job.json"
_OUTPUT = "output"
_JOB_FILES = (_JOB, _OUTPUT, JSON, CSV)
_ORDERED = 3
"""Bytes of a name that an inode begins with; the other five tell names apart that begin alike."""


@dataclass(frozen=True, slots=True)
class Node:
    """An entry of the tree.

    Attributes:
        path: where it stands, "/" for the root.
        size: bytes; 0 for a folder, None in a listing where finding out takes reading an output.
        mtime: nanoseconds since 1970.
        folder: whether it is one.
        content: makes the bytes of a small file; None for all else.
        job: the job whose output it is, or is made of; None for all else.
        inventory: the name of an inventory file; None for all else.
    """

    path: str
    mtime: int
    size: int | None = 0
    folder: bool = False
    content: Callable[[], bytes] | None = None
    job: Job | None = None
    inventory: str | None = None

    @property
    def inode(self) -> int:
        """Return the inode, which depends on the path alone, so that it outlives a remount.

        It begins like the name, since cp and others walk a folder by inode: then they open outputs
        in the order of their names, too, in which the next ones are fetched ahead.
        """
        path = self.path.encode("utf-8", "surrogateescape")
        name = path[path.rfind(b"/") + 1 :][:_ORDERED].ljust(_ORDERED, b"\0")
        rest = hashlib.blake2b(path, digest_size=8 - _ORDERED).digest()
        # 0 and 1 mean something else to some programs.
        return int.from_bytes(name + rest) | 2


class Tree:
    """The tree over an account.

    Args:
        account: what it shows.
        inventories: knows the sizes of inventory files.
        control: name -> maker of the bytes of each file of `.casfs`.
    """

    def __init__(
        self,
        account: Account,
        inventories: Inventories,
        control: Mapping[str, Callable[[], bytes]],
    ) -> None:
        self._account = account
        self._inventories = inventories
        self._control = control

    def node(self, path: str) -> Node:
        """Return what stands at a path.

        Raises:
            NotFoundError: nothing.
            CasfsError: it is not known, and the service failed.
        """
        match _parts(path):
            case [] | ["vaults"] | [".casfs"]:
                return Node(path, mtime=0, folder=True)
            case [".casfs", name] if name in self._control:
                make = self._control[name]
                return Node(path, mtime=0, size=len(make()), content=make)
            case ["vaults", vault]:
                return _vault_folder(path, self._account.vault(vault))
            case ["vaults", vault, "vault.json"]:
                return _vault_file(path, self._account.vault(vault))
            case ["vaults", vault, "jobs"]:
                return _vault_folder(path, self._account.vault(vault))
            case ["vaults", vault, "jobs", name]:
                time = self._account.job_time(self._account.vault(vault).name, name)
                return Node(path, mtime=time, folder=True)
            case ["vaults", vault, "jobs", name, file] if file in _JOB_FILES:
                known = self._account.job(self._account.vault(vault).name, name)
                return self._job_file(path, known, file)
        raise NotFoundError(f"there is no {path}")

    def children(self, path: str) -> list[Node]:
        """Return the entries of a folder, each as `node` returns it.

        Only the size of an inventory file is None unless it is known: listing reads no output.

        Raises:
            NotFoundError: there is no such folder.
            CasfsError: they are not known, and the service failed.
        """
        match _parts(path):
            case []:
                return [Node(f"/{name}", mtime=0, folder=True) for name in ("vaults", CONTROL)]
            case [".casfs"]:
                return [self.node(f"{path}/{name}") for name in self._control]
            case ["vaults"]:
                names = self._account.vault_names()
                return [
                    _vault_folder(f"{path}/{name}", self._account.vault(name)) for name in names
                ]
            case ["vaults", vault]:
                known = self._account.vault(vault)
                jobs = _vault_folder(f"{path}/jobs", known)
                return [_vault_file(f"{path}/vault.json", known), jobs]
            case ["vaults", vault, "jobs"]:
                listed = self._account.job_names(self._account.vault(vault).name)
                return [
                    Node(f"{path}/{name}", mtime=time, folder=True) for name, time in listed.items()
                ]
            case ["vaults", vault, "jobs", name]:
                known_job = self._account.job(self._account.vault(vault).name, name)
                files = [_description(f"{path}/{_JOB}", known_job)]
                if known_job.job.readable:
                    files.append(self._output_file(f"{path}/{_OUTPUT}", known_job.job))
                if _has_inventory(known_job.job):
                    for file in (JSON, CSV):
                        size = self._inventories.known_size(known_job.job, file)
                        files.append(_inventory_file(f"{path}/{file}", known_job.job, file, size))
                return files
        raise NotFoundError(f"there is no folder {path}")

    def output(self, job: Job) -> Output:
        """Return what is to be read of a job."""
        return self._account.output(job)

    def _job_file(self, path: str, known: KnownJob, name: str) -> Node:
        job = known.job
        if name == _JOB:
            return _description(path, known)
        if name == _OUTPUT and job.readable:
            return self._output_file(path, job)
        if name in (JSON, CSV) and _has_inventory(job):
            return _inventory_file(path, job, name, self._inventories.size(job, name))
        raise NotFoundError(
            f"there is no {path}: job {job.id} has no {name}, as it is {job.kind.value} and "
            f"{job.state.value}"
        )

    def _output_file(self, path: str, job: Job) -> Node:
        size = self._account.output(job).layout.size
        return Node(path, mtime=mtime(job), size=size, job=job)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _vault_folder(path: str, vault: Vault) -> Node:
    return Node(path, mtime=nanoseconds(vault.created), folder=True)


def _vault_file(path: str, vault: Vault) -> Node:
    content = pretty(json.loads(vault.raw))
    changed = nanoseconds(vault.inventoried or vault.created)
    return Node(path, mtime=changed, size=len(content), content=lambda: content)


def _has_inventory(job: Job) -> bool:
    return job.readable and job.kind is JobKind.INVENTORY


def _inventory_file(path: str, job: Job, name: str, size: int | None) -> Node:
    return Node(path, mtime=mtime(job), size=size, job=job, inventory=name)


def _description(path: str, known: KnownJob) -> Node:
    facts = json.loads(known.job.raw)
    if known.retained:
        facts["Retained"] = True
    content = pretty(facts)
    return Node(path, mtime=mtime(known.job), size=len(content), content=lambda: content)


def pretty(facts: object) -> bytes:
    """Return facts as JSON for people, keys in the order of the service."""
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    # A service may send half a surrogate pair, which only an escape can hold.
    return (text + "\n").encode("utf-8", "backslashreplace")
