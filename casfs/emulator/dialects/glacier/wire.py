"""Amazon Glacier: its names, signature, codes, limits and jobs, over the shared calls.

Source: Amazon Glacier Developer Guide, API version 2012-06-01; the service model of botocore 1.44.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from casfs.emulator.api import job_requests
from casfs.emulator.api import request_fields as ask
from casfs.emulator.api.answers import CODES, FLAW_CODES, STATUSES
from casfs.emulator.api.dialect import Call, Dialect, Service
from casfs.emulator.api.job_requests import JobType, JobWords
from casfs.emulator.api.json_form import VaultForm
from casfs.emulator.api.router import Router
from casfs.emulator.api.signature import Flaw
from casfs.emulator.api.wire import ByteRange, PageLimits, Words
from casfs.emulator.dialects.glacier import form
from casfs.emulator.dialects.glacier.settings import RULES, GlacierQuestions
from casfs.emulator.engine import errors
from casfs.emulator.engine.errors import BadValueError, MissingValueError
from casfs.emulator.engine.records import Job
from casfs.emulator.engine.selection import Selection
from casfs.emulator.engine.store import Store
from casfs.emulator.settings import Settings

_VERSION = "2012-06-01"

_DESCRIPTION = re.compile(r"[\x20-\x7e]{0,1024}")
"""Descriptions of archives and jobs (Upload Archive, Initiate Job)."""

_FILES = ("*/archives", "*/multipart-uploads/*")
"""Paths that receive files; their signature covers the hash in a header."""


def _asked_date(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_JOB_WORDS = JobWords(
    types={
        "archive-retrieval": JobType("archive", ["ArchiveId"]),
        "inventory-retrieval": JobType("inventory"),
        "select": JobType("select", ["ArchiveId", "SelectParameters", "OutputLocation"]),
    },
    callback="SNSTopic",
    inventory_limit=RULES.inventory_limit,
    date=_asked_date,
)
"""Initiate Job."""


class GlacierWire:
    """The specifics of Glacier on the wire.

    Args:
        settings: keys, account and region.
        questions: the open questions.
        clock: returns Unix seconds.
    """

    header_prefix = "x-amz-"
    request_id_header = "x-amzn-RequestId"
    words = Words(shows_policy=True)
    page_limits = PageLimits(vaults=10, jobs=50, uploads=50, parts=50)
    statuses: Mapping[str, int] = {**STATUSES, "InvalidSignatureException": 403}
    codes: Mapping[type[errors.EngineError], str] = CODES
    flaw_codes: Mapping[Flaw, str] = FLAW_CODES

    def __init__(
        self, settings: Settings, questions: GlacierQuestions, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.form: VaultForm = form.GlacierForm(settings, questions)

    def new_request_id(self) -> str:
        """Return an id like those of the documented samples."""
        return secrets.token_urlsafe(36)

    def signs_body(self, call: Call) -> bool:
        """Return whether a call has a body that is not a file: its signature covers the hash."""
        if call.method not in {"POST", "PUT"}:
            return False
        has_body = call.headers.get("content-length", "0") != "0"
        if not has_body and "transfer-encoding" not in call.headers:
            return False
        return not _brings_file(call)

    def check(self, call: Call, body: bytes) -> None:
        """Check the signature of a call, and the API version.

        Raises:
            SignatureError: the call has no valid signature.
            MissingValueError: the version is missing.
            BadValueError: the version is not supported.
        """
        settings, payload = self._settings, None if _brings_file(call) else body
        leeway = settings.questions.clock_leeway
        # Imported late, because botocore takes long to import and `--help` does not need it.
        from casfs.emulator.dialects.glacier import signature

        signature.verify(call, payload, settings.keys, settings.region, self._clock, leeway)
        version = call.headers.get("x-amz-glacier-version")
        if version is None:
            raise MissingValueError("Required parameter missing: API version")
        if version != _VERSION:
            raise BadValueError(f"The API version is not supported: {version}")

    def check_description(self, text: str) -> None:
        """Check the description of an archive to upload.

        Raises:
            BadValueError: it is too long or is not printable ASCII.
        """
        if not _DESCRIPTION.fullmatch(text):
            raise BadValueError("Invalid archive description: at most 1024 letters of 7-bit ASCII")

    def wanted_job(self, fields: Mapping[str, object]) -> tuple[Job, ByteRange | None]:
        """Return the requested job (Initiate Job)."""
        job, byte_range = job_requests.wanted_job(fields, _JOB_WORDS)
        if not _DESCRIPTION.fullmatch(job.description):
            raise BadValueError("Invalid Description: at most 1024 letters of 7-bit ASCII")
        if job.kind != "archive":
            for name in ("RetrievalByteRange", *(["ArchiveId"] if job.kind == "inventory" else [])):
                if fields.get(name):
                    raise BadValueError(f"{name} does not apply to jobs of this Type")
        if job.kind == "select":
            job = _select(job, fields)
        return job, byte_range

    def message(self, refused: errors.EngineError) -> str:
        """Return the service's message for a refusal."""
        if isinstance(refused, errors.NoVaultError):
            return f"Vault not found for ARN: {self.form.name_prefix}{refused.vault}"
        if isinstance(refused, errors.NotEmptyError):
            name = self.form.name_prefix + refused.vault
            return f"Vault not empty or recently written to: {name}"
        return str(refused)

    def job_headers(self, job: Job) -> Mapping[str, str]:
        """Return where the output of a Select job will be (Initiate Job)."""
        if job.kind != "select":
            return {}
        return {"x-amz-job-output-path": form.output_path(job)}

    def output_headers(self, selection: Selection) -> Mapping[str, str]:
        """Return the description of the archive, and Accept-Ranges (Get Job Output)."""
        headers = {"Accept-Ranges": "bytes"}
        # A seeded archive may have a description that the service would not accept.
        if selection.description and _DESCRIPTION.fullmatch(selection.description):
            headers["x-amz-archive-description"] = selection.description
        return headers

    def layout(self, value: object, _: bool = False) -> bytes:
        """Return JSON in the layout of the service."""
        return form.layout(value)


def _brings_file(call: Call) -> bool:
    """Return whether the body of a call is a file whose hash is announced in a header."""
    return (
        ask.routed(call.path, has_account=True)[1] in _FILES
        and "x-amz-content-sha256" in call.headers
    )


def _select(job: Job, fields: Mapping[str, object]) -> Job:
    """Return the job with its SelectParameters and OutputLocation, unchanged."""
    details = {name: fields[name] for name in ("SelectParameters", "OutputLocation")}
    for name, value in details.items():
        if not isinstance(value, dict):
            raise BadValueError(f"{name} must be an object")
    place = fields["OutputLocation"]
    store = place.get("S3") if isinstance(place, dict) else None
    if not isinstance(store, dict) or not job_requests.text(store, "BucketName"):
        raise MissingValueError("BucketName is missing")
    return replace(
        job,
        bucket=job_requests.text(store, "BucketName"),
        object=job_requests.text(store, "Prefix"),
        details=json.dumps(details),
    )


def _make(store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> Dialect:
    if not isinstance(settings.questions, GlacierQuestions):
        raise TypeError(f"not the questions of Glacier: {settings.questions}")
    return Router(GlacierWire(settings, settings.questions, clock), store, settings, clock)


GLACIER = Service(RULES, GlacierQuestions, account="123456789012", region="us-east-1", make=_make)
"""Amazon Glacier, for the registry."""
