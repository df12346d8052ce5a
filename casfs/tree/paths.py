"""The grammar of paths, parser and writer together: the path in the mount is the path in the API.

/vaults/<vault>/vault.json
/vaults/<vault>/jobs/<job id>/job.json
/vaults/<vault>/jobs/<job id>/output
/vaults/<vault>/jobs/<job id>/inventory.json, inventory.csv
/vaults/<vault>/archives/...               see archive_tree.py
/.casfs/<status file>

Vaults and jobs go by the file names of their names, as `file_names` has them. Pure; no I/O.
"""

from dataclasses import dataclass
from enum import Enum

from casfs.tree.file_names import to_file_name


class Name:
    """The names in paths that are always the same."""

    VAULTS = "vaults"
    VAULT_FILE = "vault.json"
    JOBS = "jobs"
    JOB_FILE = "job.json"
    OUTPUT = "output"
    INVENTORY_JSON = "inventory.json"
    INVENTORY_CSV = "inventory.csv"
    ARCHIVES = "archives"
    CONTROL = ".casfs"
    STATUS = "status.json"
    METRICS = "metrics"


_JOB_FILES = frozenset({Name.JOB_FILE, Name.OUTPUT, Name.INVENTORY_JSON, Name.INVENTORY_CSV})


class Top(Enum):
    """The directories that every account has."""

    ROOT = "/"
    VAULTS = f"/{Name.VAULTS}"
    CONTROL = f"/{Name.CONTROL}"


@dataclass(frozen=True, slots=True)
class ControlFile:
    """A file of `.casfs`."""

    name: str


@dataclass(frozen=True, slots=True)
class VaultDirectory:
    """The directory of a vault."""

    vault: str


@dataclass(frozen=True, slots=True)
class VaultFile:
    """The `vault.json` of a vault."""

    vault: str


@dataclass(frozen=True, slots=True)
class JobsDirectory:
    """The directory of a vault's jobs."""

    vault: str


@dataclass(frozen=True, slots=True)
class JobDirectory:
    """The directory of a job."""

    vault: str
    job: str


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of a job; which of them it has depends on the job."""

    vault: str
    job: str
    name: str


@dataclass(frozen=True, slots=True)
class ArchivePlace:
    """Something below `archives` of a vault, or that directory itself, which has no names."""

    vault: str
    names: tuple[str, ...]


Place = (
    Top
    | ControlFile
    | VaultDirectory
    | VaultFile
    | JobsDirectory
    | JobDirectory
    | JobFile
    | ArchivePlace
)
"""What a path can mean; whether there is such a thing is another question."""


def parse(path: str) -> Place | None:
    """Return what a path means, None if it cannot mean anything; extra slashes do not count."""
    match [part for part in path.split("/") if part]:
        case []:
            return Top.ROOT
        case [Name.VAULTS]:
            return Top.VAULTS
        case [Name.VAULTS, vault, *names]:
            return _in_vault(vault, names)
        case [Name.CONTROL]:
            return Top.CONTROL
        case [Name.CONTROL, name]:
            return ControlFile(name)
    return None


def _in_vault(vault: str, names: list[str]) -> Place | None:
    match names:
        case []:
            return VaultDirectory(vault)
        case [Name.VAULT_FILE]:
            return VaultFile(vault)
        case [Name.JOBS]:
            return JobsDirectory(vault)
        case [Name.JOBS, job]:
            return JobDirectory(vault, job)
        case [Name.JOBS, job, name] if name in _JOB_FILES:
            return JobFile(vault, job, name)
        case [Name.ARCHIVES, *below]:
            return ArchivePlace(vault, tuple(below))
    return None


def archive_file(vault: str, place: str) -> str:
    """Return the path of an archive.

    Args:
        vault: name of the vault.
        place: path below `archives`.
    """
    return f"/{Name.VAULTS}/{to_file_name(vault)}/{Name.ARCHIVES}/{place}"


def job_file(vault: str, job_id: str, name: str) -> str:
    """Return the path of a file of a job.

    Args:
        vault: name of the vault.
        job_id: id of the job.
        name: of the file.
    """
    return f"/{Name.VAULTS}/{to_file_name(vault)}/{Name.JOBS}/{to_file_name(job_id)}/{name}"
