"""What a dialect says of itself, and what follows from that alone: paths, and what answers mean.

Amazon Glacier was first, Tencent CAS and Aliyun OAS are modeled on it: calls, job states and the
shape of a job are the same, so that a dialect is a signer and a list of facts.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from casfs.errors import CasfsError, WrongAnswerError
from casfs.job_requests import JobFeatures, Refusal
from casfs.model import Job, JobKind, JobState, Vault
from casfs.rotation import RotatingKeys
from casfs.service import fields
from casfs.service.codes import COMMON_ERRORS
from casfs.treehash import Digest, TreeHash

if TYPE_CHECKING:
    from requests import PreparedRequest

# requests is imported for its types only: the command line needs the dialects for its help, and
# the help must neither wait for requests nor need it.
Authorization = Callable[["PreparedRequest"], "PreparedRequest"]
"""Signs a request whose URL and headers are final, and returns it."""

_KINDS = {"ArchiveRetrieval": JobKind.ARCHIVE, "InventoryRetrieval": JobKind.INVENTORY}
_STATES = {
    "inprogress": JobState.RUNNING,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
}
_ACCOUNT = re.compile(r"(?:arn(?::[^:]*){3}:|qcs(?::[^:]*){3}:uid/)([0-9]+):")


@dataclass(frozen=True)
class InventoryFields:
    """How a service names what an inventory holds, where services differ.

    Attributes:
        vault: field of an inventory, and of a vault or job, with the vault's full name.
        tree_hash: field, or column, with the tree hash of an archive.
    """

    vault: str
    tree_hash: str


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One service's wire form: all that differs between services, and nothing else.

    What is asked for begins and ends on a MiB of the output, or at its end, which is the strictest
    rule of all (Aliyun OAS, "Get Job Output"). Only the rest of a MiB that broke off begins inside
    it, where that is allowed.

    Attributes:
        name: as in `--dialect`.
        authorization: signs a request whose URL and headers are final.
        keys: what that signs with, if it may be another key after a refusal.
        root: path above `/vaults`, escaped.
        tree_hash: how archives are hashed.
        tree_hash_header: header with the tree hash of an answer's bytes.
        request_id_header: header that names an answer to the service's support.
        job_id_header: header with the job that a request started.
        job_features: what its jobs know.
        refusals: code of an error answer to Initiate Job -> what it means, where the service's
            code says something else there, or more, than with other calls.
        description_header: header of an output with its archive's description, None if there is
            none.
        vaults_limit: most vaults that a listing brings at once.
        jobs_limit: most jobs that a listing brings at once.
        tree_hash_field: field of a job with the tree hash of its output.
        archive_tree_hash_field: field of a job with the tree hash of the whole archive.
        inventory_fields: how an inventory names vault and tree hash.
        date: reads a date.
        errors: code of an error answer -> what it means, beside those that all services share.
        vault_key: field of a vault that names it in paths.
        region: region that requests are signed for, "" where none is.
        inventory_limit: most archives in one inventory, None where there is no such limit.
        any_range: a range of an output may begin anywhere, and need not begin on a MiB.
        ca_variables: variables in which its tools find certificates to trust, before those that
            all programs look at.
        ca_file: the setting of its tools that names such certificates, and their path; variables
            come before it.
    """

    name: str
    authorization: Authorization
    root: str
    tree_hash: TreeHash
    tree_hash_header: str
    request_id_header: str
    job_id_header: str
    job_features: JobFeatures
    vaults_limit: int
    jobs_limit: int
    tree_hash_field: str
    archive_tree_hash_field: str
    inventory_fields: InventoryFields
    date: Callable[[Any], datetime | None]
    errors: Mapping[str, type[CasfsError]]
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    vault_key: str = "VaultName"
    description_header: str | None = None
    region: str = ""
    inventory_limit: int | None = None
    keys: RotatingKeys | None = None
    any_range: bool = True
    ca_variables: tuple[str, ...] = ()
    ca_file: tuple[str, str] | None = None

    def vaults_path(self) -> str:
        """Return the path of List Vaults."""
        return f"{self.root}/vaults"

    def vault_path(self, address: str) -> str:
        """Return the path of Describe Vault."""
        return f"{self.vaults_path()}/{escape(address)}"

    def jobs_path(self, address: str) -> str:
        """Return the path of List Jobs."""
        return f"{self.vault_path(address)}/jobs"

    def job_path(self, address: str, job_id: str) -> str:
        """Return the path of Describe Job; `/output` behind it is Get Job Output."""
        return f"{self.jobs_path(address)}/{escape(job_id)}"

    def address(self, name: str) -> str | None:
        """Return what names a vault in paths; None where only its description says."""
        return name if self.vault_key == "VaultName" else None

    def vault(self, answer: Mapping[str, Any]) -> Vault:
        """Return the vault that an answer describes.

        Raises:
            WrongAnswerError: the answer describes none.
        """
        name, address = (
            fields.text(answer.get("VaultName")),
            fields.text(answer.get(self.vault_key)),
        )
        if name is None or address is None:
            raise WrongAnswerError(
                f"a vault without VaultName or {self.vault_key}; check the endpoint"
            )
        return Vault(
            name=name,
            address=address,
            created=self.date(answer.get("CreationDate")),
            inventoried=self.date(answer.get("LastInventoryDate")),
            archives=fields.integer(answer.get("NumberOfArchives")),
            size=fields.integer(answer.get("SizeInBytes")),
            raw=fields.compact(answer),
            account=_account(answer.get(self.inventory_fields.vault)),
        )

    def job(self, vault: str, answer: Mapping[str, Any]) -> Job:
        """Return the job that an answer describes.

        All kinds of jobs come in one flat shape; what does not apply is null, "", -1 or missing.

        Raises:
            WrongAnswerError: the answer describes none.
        """
        get = answer.get
        job_id = fields.text(get("JobId"))
        if job_id is None:
            raise WrongAnswerError(f"a job of vault {vault} without JobId; check the endpoint")
        kind = _KINDS.get(str(get("Action")), JobKind.OTHER)
        archive_size = fields.integer(get("ArchiveSizeInBytes")) or None
        asked = fields.text(get("RetrievalByteRange"))
        span = fields.byte_range(asked) if asked else None
        size = archive_size
        if kind is JobKind.INVENTORY:
            size = fields.integer(get("InventorySizeInBytes")) or None
        elif span is not None:
            # A range that goes on behind its archive tells nothing.
            within = archive_size is None or span[1] < archive_size
            size = span[1] - span[0] + 1 if within else None
        shown, of_archive = get(self.tree_hash_field), get(self.archive_tree_hash_field)
        tree_hash = self._digest(shown)
        archive_tree_hash = tree_hash if of_archive == shown else self._digest(of_archive)
        # A job that was given no range brings all of its archive, too.
        whole = asked is None or span == (0, (archive_size or 0) - 1)
        if tree_hash is None and whole and kind is JobKind.ARCHIVE:
            tree_hash = archive_tree_hash
        return Job(
            vault=vault,
            id=job_id,
            kind=kind,
            state=_state(answer),
            created=self.date(get("CreationDate")),
            completed=self.date(get("CompletionDate")),
            description=fields.text(get("JobDescription")) or "",
            archive_id=fields.text(get("ArchiveId")),
            archive_size=archive_size,
            first_byte=span[0] if span and kind is JobKind.ARCHIVE else 0,
            size=size,
            tree_hash=tree_hash,
            raw=fields.compact(answer),
            archive_tree_hash=archive_tree_hash,
            duration=self.job_features.latest(get("Tier")),
        )

    def error(self, code: str) -> type[CasfsError] | None:
        """Return what the code of an error answer means; None if the service has no such code."""
        return COMMON_ERRORS.get(code) or self.errors.get(code)

    def _digest(self, value: Any) -> Digest | None:
        return fields.digest(value, self.tree_hash.digest_size)


def _account(full_name: Any) -> str | None:
    """Return the account in the full name of a vault: an ARN, or a QCS of Tencent's."""
    found = _ACCOUNT.match(fields.text(full_name) or "")
    return found[1] if found else None


escape: Callable[[str], str] = partial(quote, safe="-_.~", errors="surrogatepass")
"""Returns a name as it is written in a path; one that no service can have is escaped, too."""


def _state(answer: Mapping[str, Any]) -> JobState:
    # Completed is true for failed jobs too, so it only speaks where StatusCode does not.
    named = _STATES.get(str(answer.get("StatusCode", "")).lower())
    if named is None:
        return JobState.SUCCEEDED if answer.get("Completed") is True else JobState.RUNNING
    return named
